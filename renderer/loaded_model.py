"""A model that is loaded, and what one render does with it: encode, prepare, denoise, decode."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from ..prompts.errors import RenderError
from ..prompts.plan import ScenePlan
from ..prompts.prompt_style import with_layout
from .checkpoints.registry import Checkpoint
from .checkpoints.vocabulary import vocabulary_of
from .families.base import Family
from .families.hunyuan_controlnet import ControlInput, load_control
from .ignored_fields import ignored_field_warnings
from .pictures.file_ref import FileRef
from .pictures.fit import fit_image
from .prompt_cache import PromptCache
from .prompt_reading import warnings_of
from .regions.conditioning import all_texts
from .regions.region_masks import check_masks, region_ids, region_weights, scale_region_weights, strengths_at
from .request import Lora, OnStep, RenderRequest, Step
from .sampling.sampler import EditBase, Hear, denoise, initial_noise
from .sampling.step_cache import StepCache
from .weights.lora import LoadedLora, active_loras, load_lora
from .weights.offload import Offloader


class LoadedModel:
    """It keeps the latest encoded prompts and ControlNets, and nothing else of a render."""

    def __init__(self, family: Family, checkpoint: Checkpoint, *, places: Offloader | None = None) -> None:
        self.family, self.checkpoint = family, checkpoint
        self.prompts = PromptCache(family)
        self._places = places or Offloader(family.device)
        self._control = lru_cache(maxsize=2)(lambda name: load_control(name, dtype=family.dtype))

    def grid(self, plan: ScenePlan) -> tuple[int, int]:
        """Rows and columns of the image's tokens. Raises RenderError if the size does not fit them."""
        side = self.family.cell * self.family.patch
        width, height = plan.size
        if width % side or height % side:
            raise RenderError(f"width and height must be multiples of {side}, got {width}×{height}")
        most = self.family.largest
        if most and max(width, height) > most * side:
            raise RenderError(f"this model draws at most {most * side} pixels a side, got {width}×{height}")
        return height // side, width // side

    def denoised(
        self, request: RenderRequest, plan: ScenePlan, seeds: Sequence[int], on_step: OnStep | None,
        kept: EditBase | None = None,
    ) -> tuple[Tensor, tuple[str, ...]]:  # fmt: skip
        """Final latents (seeds, channels, h, w) of a plan, or with `kept` of its drawn tokens, and what is to be said.

        Raises RenderError if the request does not fit the model, RunError if a file that it names is not there.
        """
        family, (rows, columns) = self.family, self.grid(plan)
        self._check(request)
        try:
            check_masks(plan)
            owner = region_ids(plan.regions, rows=rows, columns=columns)
            share = region_weights(plan.regions, rows=rows, columns=columns, patch=family.patch)
            levels = request.depth.levels(family.depth)
        except ValueError as error:
            raise RenderError(str(error)) from error
        if self.checkpoint.places and len({level.startswith("region") for level in levels}) == 2:
            plan = with_layout(plan)  # the blocks that hear the scene decide on the layout
        loras = self._loras(request, plan)
        cached = StepCache(request.step_cache) if request.step_cache and not kept else None
        with torch.inference_mode():
            encoded = self.prompts.encoded(
                all_texts(plan, levels, guided=family.guided), lambda: self._working(request, *family.encoders)
            )
            notes: list[str] = []
            start = None
            if request.image and not kept:
                start = self._seen(request, request.image, plan, notes), request.denoise
            followed = [
                ControlInput(self._control(one.model), self._seen(request, one.image, plan, notes), one.scale)
                for one in request.controls
            ]
            noise = torch.cat([initial_noise(family, plan, owner, seed) for seed in seeds])
            with self._working(request, family.denoiser, controls=[one.net for one in followed]):
                conditioning = family.conditioning(
                    lambda texts: family.joined([encoded[text] for text in texts]), plan, levels, (rows, columns), loras
                )
                hear, wearing = _hearing(conditioning, share, len(seeds), kept if family.partial else None)
                for at in denoise(
                    family, noise, steps=request.steps or self.checkpoint.steps,
                    picture_condition=conditioning.picture_condition, hear=hear,
                    guidance=request.guidance_scale or self.checkpoint.guidance_scale, kept=kept, start=start,
                    cache=cached, followed=followed, wearing=wearing, solver=request.solver,
                ):  # fmt: skip
                    if on_step:
                        on_step(Step(at.index, at.total, lambda x=at.expected[:1]: self._preview(request, x)))  # type: ignore[misc]
        self._finite(request, at.latents, "what the denoising made")
        notes += ignored_field_warnings(
            request, plan, family, share=share, grid=(rows, columns), levels=levels, steps=at.total,
            guidance=request.guidance_scale or self.checkpoint.guidance_scale, is_edit=kept is not None,
        )  # fmt: skip
        notes += self._said(request, plan, conditioning, loras, followed, cached, at.total)
        return at.latents, tuple(dict.fromkeys(notes))

    def decode(self, request: RenderRequest, latents: Tensor) -> Image.Image:
        """Latents (1, channels, h, w) → RGB picture. Raises RenderError if what comes out are no numbers."""
        with torch.inference_mode(), self._working(request, "vae"):
            pixels = self.family.pixels(latents, tiled="tiling" in request.save)
            self._finite(request, pixels, "what the decoder (VAE) made of the latents", self.family.pipe.vae.dtype)
            return self.family.picture(pixels)

    def _finite(self, request: RenderRequest, values: Tensor, what: str, dtype: torch.dtype | None = None) -> None:
        """Raises RenderError if there are values which are NaN or infinite: no picture can be made of them."""
        if torch.isfinite(values).all():
            return
        decoding, causes = dtype is not None, []
        if (dtype or self.family.dtype) == torch.float16:
            causes.append("float16, in which large numbers overflow: try --device cpu, or a GPU that has bfloat16")
        if request.loras and not decoding:
            files = ", ".join(lora.file.path for lora in request.loras)
            causes.append(f"a LoRA: try it weaker, or the picture without {files}")
        if request.controls and not decoding:
            causes.append("a ControlNet: try it weaker")
        if {"int8", "fp8"} & set(request.save) and not decoding:
            causes.append("weights held in 8 bits: leave that out of --save")
        causes.append("damaged weights: get the model again")
        raise RenderError(
            f"no picture: {what} are not finite numbers (NaN or infinite). Likely causes: {'; '.join(causes)}"
        )

    def _preview(self, request: RenderRequest, latents: Tensor) -> Image.Image:
        """A small picture: at most 32×32 latents are decoded."""
        side = max(latents.shape[-2:])
        if side > 32:
            latents = torch.nn.functional.interpolate(latents, scale_factor=32 / side, mode="area")
        with torch.inference_mode(), self._working(request, "vae"):
            return self.family.decode(latents, tiled="tiling" in request.save)

    def _working(
        self, request: RenderRequest, *parts: str, controls: Sequence[nn.Module] = ()
    ) -> AbstractContextManager[None]:
        modules = [module for part in parts if (module := getattr(self.family.pipe, part, None)) is not None]
        return self._places.on_device([*modules, *controls], offload="offload" in request.save)

    def _seen(self, request: RenderRequest, file: FileRef, plan: ScenePlan, notes: list[str]) -> Tensor:
        """A picture of a file, fitted to the plan's size, as latents; what is to be said of it joins the notes."""
        picture, said = fit_image(file.verified_path(), plan.size, fit=request.fit, background=request.background)
        notes += said
        with self._working(request, "vae"):
            return self.family.encode_image(picture)

    def _loras(self, request: RenderRequest, plan: ScenePlan) -> list[LoadedLora]:
        names = [region.name for region in plan.regions]
        reader = getattr(self.family.pipe, "lora_state_dict", None)
        return [
            load_lora(
                self.family.model, one.file.verified_path(), scale=one.scale, convert=reader, device=self.family.device,
                region=None if one.region is None else names.index(one.region),
            )
            for one in request.loras
            if _acts_in(plan, one)
        ]  # fmt: skip

    def _check(self, request: RenderRequest) -> None:
        name = self.checkpoint.family
        if request.controls and not self.family.controlled:
            raise RenderError(f"ControlNets are followed by hunyuan models only, and this is a {name} model")
        if request.step_cache and not self.family.cached:
            raise RenderError(f"a step cache is for hunyuan, pixart and sana models, and this is a {name} model")
        if request.compile and not (shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")):
            raise RenderError("compile needs a C++ compiler (install g++), or leave it off")

    def beyond(self, plan: ScenePlan) -> list[str]:
        """What of a plan the checkpoint was not trained to draw, as warnings; nothing if it does not say."""
        vocabulary = vocabulary_of(self.checkpoint)
        return vocabulary.warnings(plan) if vocabulary else []

    def _said(
        self, request: RenderRequest, plan: ScenePlan, conditioning: Any, loras: Sequence[LoadedLora],
        followed: Sequence[ControlInput], cached: StepCache | None, steps: int,
    ) -> list[str]:  # fmt: skip
        """What of the request was not drawn as it was asked, and what was approximated."""
        said = [*self.beyond(request.edited_plan), *self.family.notes, *warnings_of(conditioning.readings)]
        said += [
            f"the LoRA of {one.region!r} is not used: the edited picture has no such region"
            for one in request.loras
            if not _acts_in(plan, one)
        ]
        said += dict.fromkeys(self.family.misfits(loras, [control.net for control in followed]))
        if any(one.skipped for one in loras):
            said.append("the LoRA's weights for text encoders are not used, only those for the image model")
        if "offload" in request.save and self.family.device.type == "cpu":
            said.append("save 'offload' does nothing on a CPU: the model is in main memory all the time")
        if cached:
            told = f"step cache: {cached.reused} of {steps} steps reused what their blocks had said"
            measured = f"; in the steps that computed it again it had changed by at most {cached.error:.1%}"
            said.append(told + measured if cached.reused else "step cache: no step reused what its blocks had said")
        if nearest := self.family.nearest_trained(self.checkpoint.size, plan.size):
            sizes = "{}×{} pixels are far from what this model was trained at: the nearest is {}×{}"
            said.append(sizes.format(*plan.size, *nearest))
        return said


def _acts_in(plan: ScenePlan, lora: Lora) -> bool:
    """Whether the plan has the LoRA's region: an edit may have removed it."""
    return lora.region is None or lora.region in [region.name for region in plan.regions]


def _hearing(
    conditioning: Any, share: Tensor, pictures: int, kept: EditBase | None
) -> tuple[Hear, Callable[[float, bool], AbstractContextManager[None]]]:
    """What each block hears at a share of the steps done, for all tokens or for those that an edit draws, and which
    LoRAs act then: a region's as strongly as its prompt. The last block of an edit computes what it draws.

    Progress only grows: what was heard before is not kept, for a mask of a joint sequence takes 0.2 GB a level in FLUX.
    """

    @lru_cache(maxsize=2 if kept else 1)  # for all tokens, and for those that are drawn
    def contexts(own: tuple[float, ...], partial: bool) -> tuple[Any, Any]:
        heard = scale_region_weights(share, own)
        whole = conditioning.at(heard, pictures=pictures), conditioning.active_loras(heard)
        if not kept:
            return whole
        drawn = heard[:, kept.drawn.cpu()]
        part = conditioning.at(drawn, pictures=pictures), conditioning.active_loras(drawn)
        return part if partial else ([*whole[0][:-1], part[0][-1]], [a.also(b) for a, b in zip(whole[1], part[1])])

    def at(progress: float, partial: bool) -> tuple[Any, Any]:
        return contexts(strengths_at(conditioning.plan.regions, progress), partial)

    return lambda progress, partial: at(progress, partial)[0], lambda progress, partial: active_loras(
        at(progress, partial)[1]
    )
