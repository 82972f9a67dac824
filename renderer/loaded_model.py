"""A loaded model, and one render with it: layout → encode → condition → sample → decode."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from PIL import Image
from torch import Tensor, nn

from ..prompts.errors import RenderError
from ..prompts.layout.canvas import nearest_sides
from ..prompts.plan import ScenePlan
from ..prompts.prompt_style import style_of, with_layout
from .checkpoints.registry import Checkpoint
from .checkpoints.vocabulary import vocabulary_of
from .families.base import Family
from .forward import Conditioning, ControlInput, EditBase, Encoded
from .ignored_fields import ignored_field_warnings
from .pictures.file_ref import FileRef
from .pictures.fit import fit_image
from .regions.prompt_schedule import preset
from .regions.several_plans import SeveralPlans
from .regions.stepwise import StepwiseConditioning
from .regions.token_layout import TokenLayout, token_layout
from .render_warnings import (
    acts_in,
    approximation_warnings,
    lora_warnings,
    not_finite,
    split_warning,
    unsplit,
)
from .request import OnStep, RenderRequest, Step
from .sampling.sampler import Denoised, StartPicture, denoise, initial_noise
from .sampling.step_cache import StepCache
from .texts.prompt_cache import PromptCache
from .texts.prompt_reading import warnings_of
from .weights.lora import LoadedLora, load_lora
from .weights.offload import Offloader


@dataclass(frozen=True)
class RenderInputs:
    """The encoded inputs of a render: prompts, start picture, control pictures, LoRAs. warnings: of fitting
    pictures."""

    encoded: Mapping[str, Encoded]
    start: StartPicture | None
    controls: Sequence[ControlInput]
    loras: Sequence[LoadedLora]
    warnings: Sequence[str]

    def texts(self, texts: Sequence[str]) -> list[Encoded]:
        """The encoded texts, in their order."""
        return [self.encoded[text] for text in texts]


class LoadedModel:
    """A family with its checkpoint. The only state kept between renders are caches of prompts and ControlNets."""

    def __init__(self, family: Family, checkpoint: Checkpoint, *, offloader: Offloader | None = None) -> None:
        self.family, self.checkpoint = family, checkpoint
        self.prompts = PromptCache(family)
        self._offloader = offloader or Offloader(family.device)
        self._load_control = lru_cache(maxsize=2)(family.load_control)

    def grid(self, plan: ScenePlan) -> tuple[int, int]:
        """Rows and columns of the image's tokens. Raises RenderError if the size does not fit them."""
        side = self.family.cell * self.family.patch
        width, height = plan.size
        if width % side or height % side:
            near = "×".join(map(str, nearest_sides(width, height, multiple=side)))
            raise RenderError(f"width and height must be multiples of {side}, got {width}×{height}: {near} is near")
        most = self.family.largest
        if most and max(width, height) > most * side:
            raise RenderError(f"this model draws at most {most * side} pixels a side, got {width}×{height}")
        return height // side, width // side

    def denoised(
        self, request: RenderRequest, plan: ScenePlan, seeds: Sequence[int], on_step: OnStep | None = None,
        edit: EditBase | None = None, *, second: LoadedModel | None = None,
    ) -> tuple[Tensor, tuple[str, ...]]:  # fmt: skip
        """Final latents (seeds, channels, h, w) of a plan, or with `edit` of its drawn tokens, and warnings.

        second: the same model on another device. It computes one of the two halves of classifier-free guidance where it
        can, which a warning says; where it cannot, a warning says why.

        Raises RenderError if the request does not fit the model, RunError if a file that it names is not there.
        """
        layout = self._layout(request, plan, edit)
        loras = self._loras(request, layout.plan)
        denoisers = (self.family.denoiser, *self.family.denoisers)
        with torch.inference_mode():
            inputs = self._encode(request, layout, loras, edit)
            with ExitStack() as working:
                working.enter_context(
                    self._working(request, *denoisers, nets=[control.net for control in inputs.controls])
                )
                conditioning = self._condition(request, inputs, layout)
                notes = []
                if second:
                    why = unsplit(request, self.family, guided=conditioning.guided)
                    notes = [split_warning(self.family.device, second.family.device, why)]
                    second = None if why else second
                if second:
                    working.enter_context(second._working(request, *denoisers))
                cache = StepCache(request.step_cache) if request.step_cache and not edit else None
                other = second.family if second else None
                last = self._sample(request, layout, inputs, conditioning, seeds, edit, cache, on_step, other)
        self._check_finite(request, last.latents, "the denoised latents")
        warnings = self._warnings(request, layout, inputs, conditioning, cache, last.total, edit)
        return last.latents, (*warnings, *notes)

    def denoised_together(
        self, requests: Sequence[RenderRequest], on_step: OnStep | None = None
    ) -> tuple[Tensor, list[tuple[str, ...]]]:
        """Final latents (requests, channels, h, w) of different plans in one batch, and the warnings of each.

        The requests share all but plan and seed, and have no files. Raises as `denoised`; RenderError if the family
        cannot, or if they differ in size.
        """
        first, family = requests[0], self.family
        if not family.several:
            raise RenderError(f"{self.checkpoint.family} models draw different plans one by one, not in one batch")
        if len({request.plan.size for request in requests}) > 1:
            raise RenderError("pictures of one batch have one size")
        layouts = [self._layout(request, request.plan, None) for request in requests]
        with torch.inference_mode():
            inputs = [self._encode(first, layout, [], None) for layout in layouts]
            with self._working(first, family.denoiser):
                each = [self._condition(first, own, layout) for own, layout in zip(inputs, layouts, strict=True)]
                weights = [layout.region_weights for layout in layouts]
                several = SeveralPlans([StepwiseConditioning(*pair) for pair in zip(each, weights, strict=True)])
                pairs = zip(requests, layouts, strict=True)
                noise = [
                    initial_noise(family, layout.plan, layout.region_ids, request.seed) for request, layout in pairs
                ]
                for step in denoise(
                    family, torch.cat(noise), several, steps=first.steps or self.checkpoint.steps,
                    guidance=self._guidance(first), solver=first.solver,
                ):  # fmt: skip
                    if on_step:
                        on_step(Step(step.index, step.total, partial(self._preview, first, step.expected[:1])))
        self._check_finite(first, step.latents, "the denoised latents")
        rows = zip(requests, layouts, inputs, each, strict=True)
        return step.latents, [self._warnings(*row, None, step.total, None) for row in rows]

    def decode(self, request: RenderRequest, latents: Tensor) -> Image.Image:
        """Latents (1, channels, h, w) → RGB picture. Raises RenderError if the decoder's numbers are not finite."""
        with torch.inference_mode(), self._working(request, "vae"):
            pixels = self.family.pixels(latents, tiled="tiling" in request.save_memory)
            self._check_finite(request, pixels, "the pixels of the decoder (VAE)", decoding=True)
            return self.family.picture(pixels)

    def beyond(self, plan: ScenePlan) -> list[str]:
        """Warnings of words in a plan that the checkpoint was not trained on; empty if it declares no vocabulary."""
        vocabulary = vocabulary_of(self.checkpoint)
        return vocabulary.warnings(plan) if vocabulary else []

    def _layout(self, request: RenderRequest, plan: ScenePlan, edit: EditBase | None) -> TokenLayout:
        """The plan on the grid of tokens, worded for the model. Raises RenderError if the request does not fit it."""
        grid = self.grid(plan)
        self._check(request)
        in_sticker_words = self.family.style.manner == "sticker words"
        plan = plan.model_copy(update={"style": style_of(plan)}) if in_sticker_words else plan
        patch, blocks = self.family.patch, self.family.block_count
        schedule = request.prompt_schedule or preset(self.checkpoint.prompt_schedule)
        layout = token_layout(plan, schedule, grid=grid, patch=patch, blocks=blocks)
        if edit and edit.cleared is not None:
            layout = layout.cleared(edit.cleared)
            if not plan.scene.high_level:  # a list of regions alone would draw parts of them
                return layout
        # The blocks of the scene prompt decide on the layout.
        if in_sticker_words and layout.has_both_levels:
            return TokenLayout(with_layout(plan), grid, layout.region_ids, layout.region_weights, layout.levels)
        return layout

    def _encode(
        self, request: RenderRequest, layout: TokenLayout, loras: Sequence[LoadedLora], edit: EditBase | None
    ) -> RenderInputs:
        # Cross-attention computes unconditional rows at a guidance scale of 1, too.
        texts = self.family.texts(layout.plan, layout.levels)
        encoded = self.prompts.encoded(texts, partial(self._working, request, *self.family.encoders))
        warnings: list[str] = []
        start = None
        if request.image and not edit:
            latents, cropped = self._encode_picture(request, request.image, layout.plan)
            start, warnings = StartPicture(latents, request.denoise), [*warnings, *cropped]
        controls = []
        for control in request.controls:
            net = self._load_control(control.model)
            latents, cropped = self._encode_picture(request, control.image, layout.plan)
            controls.append(ControlInput(net, latents, control.scale))
            warnings += cropped
        return RenderInputs(encoded, start, controls, loras, warnings)

    def _condition(self, request: RenderRequest, inputs: RenderInputs, layout: TokenLayout) -> Conditioning:
        return self.family.conditioning(
            inputs.texts, layout.plan, layout.levels, layout.grid, inputs.loras, guided=self._guided(request)
        )

    def _sample(
        self, request: RenderRequest, layout: TokenLayout, inputs: RenderInputs, conditioning: Conditioning,
        seeds: Sequence[int], edit: EditBase | None, cache: StepCache | None, on_step: OnStep | None,
        second: Family | None,
    ) -> Denoised:  # fmt: skip
        family = self.family
        noise = torch.cat([initial_noise(family, layout.plan, layout.region_ids, seed) for seed in seeds])
        stepwise = StepwiseConditioning(
            conditioning, layout.region_weights, pictures=len(seeds), edit=edit if family.partial else None
        )
        for step in denoise(
            family, noise, stepwise, steps=request.steps or self.checkpoint.steps, guidance=self._guidance(request),
            edit=edit, start=inputs.start, cache=cache, solver=request.solver, controls=inputs.controls,
            second=second,
        ):  # fmt: skip
            if on_step:
                on_step(Step(step.index, step.total, partial(self._preview, request, step.expected[:1])))
        return step

    def _warnings(
        self, request: RenderRequest, layout: TokenLayout, inputs: RenderInputs, conditioning: Conditioning,
        cache: StepCache | None, steps: int, edit: EditBase | None,
    ) -> tuple[str, ...]:  # fmt: skip
        family, plan = self.family, layout.plan
        warnings = [
            *plan.notes, *inputs.warnings,
            *ignored_field_warnings(
                request, plan, family, region_weights=layout.region_weights, grid=layout.grid, levels=layout.levels,
                steps=steps, guidance=self._guidance(request), is_edit=edit is not None,
            ),
            *self.beyond(request.edited_plan), *family.notes, *warnings_of(conditioning.readings),
            *lora_warnings(request, plan, family, inputs.loras, inputs.controls),
            *approximation_warnings(
                request, plan, family, cache=cache, steps=steps, trained_size=self.checkpoint.size
            ),
        ]  # fmt: skip
        return tuple(dict.fromkeys(warnings))

    def _guidance(self, request: RenderRequest) -> float:
        return request.guidance_scale or self.checkpoint.guidance_scale

    def _guided(self, request: RenderRequest) -> bool:
        """Whether unconditional rows have an effect."""
        return self.family.guided and self._guidance(request) > 1

    def _check_finite(self, request: RenderRequest, values: Tensor, part: str, *, decoding: bool = False) -> None:
        if not torch.isfinite(values).all():
            dtype = self.family.pipe.vae.dtype if decoding else self.family.dtype
            raise not_finite(request, part, dtype, decoding=decoding)

    def _preview(self, request: RenderRequest, latents: Tensor) -> Image.Image:
        """A small picture: at most 32×32 latents are decoded."""
        side = max(latents.shape[-2:])
        if side > 32:
            latents = torch.nn.functional.interpolate(latents, scale_factor=32 / side, mode="area")
        with torch.inference_mode(), self._working(request, "vae"):
            return self.family.decode(latents, tiled="tiling" in request.save_memory)

    def _working(
        self, request: RenderRequest, *parts: str, nets: Sequence[nn.Module] = ()
    ) -> AbstractContextManager[None]:
        modules = [module for part in parts if (module := getattr(self.family.pipe, part, None)) is not None]
        return self._offloader.on_device([*modules, *nets], offload="offload" in request.save_memory)

    def _encode_picture(self, request: RenderRequest, file: FileRef, plan: ScenePlan) -> tuple[Tensor, list[str]]:
        """A picture file, fitted to the plan's size, as latents, and the warnings of fitting."""
        picture, warnings = fit_image(file.verified_path(), plan.size, fit=request.fit, background=request.background)
        with self._working(request, "vae"):
            return self.family.encode_image(picture), list(warnings)

    def _loras(self, request: RenderRequest, plan: ScenePlan) -> list[LoadedLora]:
        names = [region.name for region in plan.regions]
        reader = getattr(self.family.pipe, "lora_state_dict", None)
        return [
            load_lora(
                self.family.model, lora.file.verified_path(), scale=lora.scale, convert=reader,
                device=self.family.device, region=None if lora.region is None else names.index(lora.region),
            )
            for lora in request.loras
            if acts_in(plan, lora)
        ]  # fmt: skip

    def _check(self, request: RenderRequest) -> None:
        name = self.checkpoint.family
        if request.controls and not self.family.controlled:
            raise RenderError(f"{name} models take no ControlNets: leave the controls out, or draw with another model")
        if request.step_cache and not self.family.cached:
            raise RenderError(f"{name} models have no step cache: leave it out, or draw with another model")
        if request.compile and not (shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")):
            raise RenderError("compile needs a C++ compiler (install g++), or leave it off")
