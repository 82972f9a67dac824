"""Renderer: a plan → a picture, several candidates, or an edit of a finished picture in one place only."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from ..prompts.errors import ModelError, RenderError
from ..prompts.plan import MAX_SIDE
from ..prompts.revision import Revision
from .checkpoints.files.hub import Hub
from .checkpoints.load import load
from .checkpoints.registry import absolute_name, checkpoint
from .checkpoints.remote_models import is_remote
from .checkpoints.silence import silence_loading
from .diffusers_types import Pipeline
from .families.base import Family
from .forward import EditBase
from .loaded_model import LoadedModel
from .regions.prompt_schedule import preset
from .request import (
    CANDIDATE_STRIDE,
    MAX_BATCH,
    Control,
    Dtype,
    LocalResult,
    Lora,
    OnStep,
    RenderRequest,
    RenderResult,
    Saving,
    Step,
    candidate_seed,
)
from .sampling.edit import (
    UNINTENDED,
    changed_tokens,
    keep_pixels,
    margin_of,
    unintended_changes,
    unintended_changes_warning,
)
from .sampling.removal import background_plan, cleared_tokens, clears_background, keep_neighbours
from .texts.prompt_cache import PromptCache
from .texts.prompt_files import PromptFiles, filled_in
from .weights.offload import memory_fallbacks, retry_on_oom
from .weights.quantize import Format

__all__ = [
    "CANDIDATE_STRIDE", "Control", "Lora", "OnStep", "RenderRequest", "RenderResult", "Renderer", "Step",
]  # fmt: skip

_loading = threading.Lock()  # transformers mixes up the weights of models that are loaded at the same time


class Renderer:
    """A checkpoint, loaded on first use. It keeps no state between renders but caches of encoded prompts and
    ControlNets, so one renderer may serve concurrent renders."""

    _second: "Renderer | None" = None  # of the same model on another device, for a half of the guidance

    def __init__(
        self, model: str | None = None, *, device: str | None = None, dtype: Dtype | None = None,
        hub: Hub | None = None, files: PromptFiles | None = None,
    ) -> None:  # fmt: skip
        """model: a name of the table, a folder, a name on the hub or a single file, see `source`; None: the pocket
        checkpoint. device: 'cuda:1', 'mps' or 'cpu'; None: a CUDA GPU if there is one. dtype: for
        requests that name none. hub: in place of huggingface_hub's default. files: LoRAs and wildcards that prompts
        name; None: those of the user's folders. Raises ModelError."""
        self._given = model or "pocket"
        if is_remote(self._given):
            raise ModelError(f"{self._given} is on a server: Agent(model=…) or RemoteRenderer draws with it")
        self.model = absolute_name(self._given)  # independent of the working folder: pictures store it
        self.checkpoint = checkpoint(self._given, hub)
        self._device, self._dtype, self._hub = device, dtype, hub
        self._files = files or PromptFiles.usual()
        self._lock = threading.Lock()
        self._loaded: tuple[tuple[Format, Dtype | None, bool], LoadedModel] | None = None

    @property
    def device(self) -> str:
        """The name of the device that it draws on: 'cpu', 'cuda:0'."""
        name = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        return "cuda:0" if name == "cuda" else name

    @property
    def loaded(self) -> LoadedModel:
        """The model in the format of the last render, loaded on first use. Raises ModelError."""
        current = self._loaded
        return current[1] if current else self._load("full", self._dtype, compiled=False, offload=False)

    @property
    def family(self) -> Family:
        """The model's family: the adapter of its architecture."""
        return self.loaded.family

    @property
    def pipe(self) -> Pipeline:
        """Its diffusers pipeline."""
        return self.family.pipe

    @property
    def token(self) -> int:
        """Side of an image token in pixels."""
        return self.family.cell * self.family.patch

    def warm_up(self) -> None:
        """Loads the model. Raises ModelError."""
        _ = self.loaded

    @property
    def prompts(self) -> PromptCache:
        """Its text encoders, with a cache of the latest prompts."""
        return self.loaded.prompts

    def release(self) -> Pipeline | None:
        """Gives the loaded diffusers pipeline back as diffusers loaded it, and forgets it; None if none is loaded.

        Attention processors are its own again, hooks of LoRAs and compiled code are off. Weights in 8 bits stay so. The
        next render loads the model anew. No render may be running.
        """
        with self._lock:
            loaded, self._loaded = self._loaded, None
        return loaded[1].family.release() if loaded else None

    def render(self, request: RenderRequest, on_step: OnStep | None = None) -> LocalResult:
        """Draws the request. Raises RenderError if it does not fit the model, ModelError if the model cannot be loaded,
        RunError if a file that it names is missing, ValueError if it names another model."""
        request = self._own(request)
        seeds = request.together or [request.seed]
        unedited = request.model_copy(update={"edits": []})
        result = self._draw(unedited, seeds, on_step, second=self._second)[seeds.index(request.seed)]
        for revision in request.edits:
            result = self._edit(result, revision, on_step)
        return result

    def candidates(self, request: RenderRequest, count: int, on_step: OnStep | None = None) -> list[LocalResult]:
        """Draws `count` pictures of one plan in one batch, with different seeds; the first has the request's seed.

        Each result's request makes that picture again. Raises as `render`, and ValueError for an edited request or a
        count that is not 1 to 16.
        """
        return self.batch(request, self.candidate_seeds(request, count), on_step)

    def candidate_seeds(self, request: RenderRequest, count: int) -> list[int]:
        """The seeds of the candidates of a request. Raises ValueError as `candidates`."""
        if not 1 <= count <= MAX_BATCH:
            raise ValueError(f"1 to {MAX_BATCH} candidates are drawn in one batch, not {count}")
        if request.edits:
            raise ValueError("candidates are drawn from a plan, not from an edited picture: leave `edits` empty")
        return [candidate_seed(request.seed, i) for i in range(count)]

    def batch(self, request: RenderRequest, seeds: Sequence[int], on_step: OnStep | None = None) -> list[LocalResult]:
        """Draws the request's plan once for each seed, in one batch. Raises as `render`."""
        together = list(seeds) if len(seeds) > 1 else []
        request = self._own(request).model_copy(update={"seed": seeds[0], "together": together})
        return self._draw(request, seeds, on_step)

    def together(self, requests: Sequence[RenderRequest], on_step: OnStep | None = None) -> list[LocalResult]:
        """Draws pictures of different plans in one batch, of a family that can (`Family.several`).

        The requests share all but plan and seed, and their pictures have one size. Sums in a batch are rounded
        differently: latents are those of `render` to about 1e-5 in float32, and a warning of each says so. Raises as
        `render`; RenderError if the family cannot, ValueError for requests that do not go together.
        """
        if not 1 <= len(requests) <= MAX_BATCH:
            raise ValueError(f"1 to {MAX_BATCH} pictures are drawn in one batch, not {len(requests)}")
        own = [self._own(request) for request in requests]
        if len({request.model_copy(update={"plan": own[0].plan, "seed": 0}).model_dump_json() for request in own}) > 1:
            raise ValueError("pictures of one batch share all settings but plan and seed")
        if own[0].edits or own[0].together or own[0].files or own[0].step_cache:
            raise ValueError("edits, candidates, files and the step cache are of one plan: draw these one by one")

        def draw(request: RenderRequest) -> list[LocalResult]:  # with what saves memory
            started, loaded = time.perf_counter(), self._ready(request)
            each = [other.model_copy(update={"save_memory": request.save_memory}) for other in own]
            batch, warnings = loaded.denoised_together(each, on_step)
            images = [loaded.decode(other, latents[None]) for other, latents in zip(each, batch, strict=True)]
            seconds = (time.perf_counter() - started) / len(each)
            note = f"drawn in one batch with {len(each) - 1} others: alone its pixels may differ by a level or two"
            return [
                LocalResult(other, image, latents[None].float().cpu(), seconds, (*notes, *([note] * (len(each) > 1))))
                for other, image, latents, notes in zip(each, images, batch, warnings, strict=True)
            ]

        return self._retrying(own[0], draw)

    def edit(
        self, picture: RenderResult | RenderRequest, revision: Revision, on_step: OnStep | None = None
    ) -> LocalResult:
        """Draws the regions that a revision changes into a finished picture, and keeps everything else.

        The edit redraws the tokens in which a changed region has weight, and a margin of background tokens around them
        (`edit.margin_of`), which the result's request stores. Latents of all other tokens stay bit for bit, and so do
        pixels more than `edit.REACH` latent cells beyond the redrawn ones; for a region with a free shape, all pixels
        outside the shape. A new scene prompt acts on the redrawn tokens only. A request is rendered first. Warnings
        name visible changes that the revision does not intend. Raises as `render`; ValueError if the revision names a
        region that the plan does not have, or changes nothing visible.
        """
        result = self.render(picture, on_step) if isinstance(picture, RenderRequest) else picture
        return self._edit(result, revision, on_step, new_margin=True)

    def _edit(
        self, result: RenderResult, revision: Revision, on_step: OnStep | None, *, new_margin: bool = False
    ) -> LocalResult:
        """new_margin: compute margin and clearing instead of taking those that the revision stores."""
        base = self._own(result.request)
        request = filled_in(base.model_copy(update={"edits": [*base.edits, revision]}), self._files)
        draw = partial(self._draw_edit, result=result, base=base, on_step=on_step, new_margin=new_margin)
        return self._retrying(request, draw)[0]

    def _draw_edit(
        self, request: RenderRequest, *, result: RenderResult, base: RenderRequest, on_step: OnStep | None,
        new_margin: bool,
    ) -> list[LocalResult]:  # fmt: skip
        """The result after the request's last edit. base: the request without that edit."""
        started, loaded, revision = time.perf_counter(), self._ready(request), request.edits[-1]
        before, after = base.edited_plan, request.edited_plan
        family, (rows, columns) = loaded.family, loaded.grid(request.plan)
        if result.latents is None:
            raise RenderError("a server drew this picture: only there can a region of it be drawn again")
        if result.latents.shape[2:] != (rows * family.patch, columns * family.patch):  # of a foreign file
            raise RenderError(
                "the latents beside this picture have another size than this model's: another version of it drew them. "
                "The picture cannot be edited; draw its plan again, without width and height"
            )
        if new_margin:
            margin = margin_of(before, after, rows=rows, columns=columns)
            revision = revision.model_copy(update={"margin": margin, "clears": clears_background(before, after)})
            request = request.model_copy(update={"edits": [*base.edits, revision]})
        tokens = {"rows": rows, "columns": columns, "patch": family.patch}
        drawn = changed_tokens(before, after, **tokens, margin=revision.margin)
        cleared = cleared_tokens(before, after, **tokens) if revision.clears else None
        drawn = drawn if cleared is None else drawn | cleared
        edit = EditBase(result.latents.to(family.device), drawn.to(family.device), cleared=cleared)
        plan = background_plan(after) if revision.clears else after
        latents, warnings = loaded.denoised(request, plan, [request.seed], on_step, edit)
        decoded = loaded.decode(request, latents)
        image = keep_pixels(result.image, decoded, drawn, before, after, patch=family.patch, cell=family.cell)
        if revision.clears:
            image = keep_neighbours(result.image, image, before, after, fade=family.cell // 2)
        seconds = result.seconds + time.perf_counter() - started
        changes = unintended_changes(result.image, image, before, after)
        new = [*warnings, *unintended_changes_warning(changes)]
        outdated = set(loaded.beyond(before)) - set(new)  # about regions that are gone
        earlier = [text for text in result.warnings if text not in outdated and not text.startswith(UNINTENDED)]
        return [LocalResult(request, image, latents.cpu(), seconds, tuple(dict.fromkeys([*earlier, *new])))]

    def _own(self, request: RenderRequest) -> RenderRequest:
        """The request with this model's name, a size, a prompt schedule and what its prompts name filled in, since
        pictures store them."""
        if request.model not in (None, self.model, self._given):
            raise ValueError(f"the request is for model {request.model!r}, and this renderer draws with {self.model!r}")
        side = min(self.checkpoint.size, MAX_SIDE)
        schedule = request.prompt_schedule or preset(self.checkpoint.prompt_schedule)
        plan = request.plan.with_size(side, side)
        own = request.model_copy(update={"model": self.model, "plan": plan, "prompt_schedule": schedule})
        return filled_in(own, self._files)

    def _draw(
        self, request: RenderRequest, seeds: Sequence[int], on_step: OnStep | None, second: "Renderer | None" = None
    ) -> list[LocalResult]:
        """One batch of pictures of the request's plan, one per seed. second: see `LoadedModel.denoised`."""
        return self._retrying(request, partial(self._draw_batch, seeds=seeds, on_step=on_step, second=second))

    def _draw_batch(
        self, request: RenderRequest, *, seeds: Sequence[int], on_step: OnStep | None, second: "Renderer | None"
    ) -> list[LocalResult]:
        started, loaded = time.perf_counter(), self._ready(request)
        other = second._ready(request) if second else None
        batch, warnings = loaded.denoised(request, request.plan, seeds, on_step, second=other)
        each = [latents[None] for latents in batch]
        images = [loaded.decode(request, latents) for latents in each]
        seconds = time.perf_counter() - started
        return [
            LocalResult(request.model_copy(update={"seed": seed}), image, latents.float().cpu(), seconds, warnings)
            for seed, image, latents in zip(seeds, images, each, strict=True)
        ]

    def _retrying(
        self, request: RenderRequest, draw: Callable[[RenderRequest], list[LocalResult]]
    ) -> list[LocalResult]:
        """`retry_on_oom` with the libraries' messages silenced: cut prompts are in the warnings already, the others are
        deprecations."""
        with silence_loading():
            return retry_on_oom(request, draw, self._memory_fallbacks)

    def _ready(self, request: RenderRequest) -> LoadedModel:
        """The model in the request's format; the one in memory is replaced when the format differs."""
        weights: Format = "int8" if "int8" in request.save_memory else "fp8" if "fp8" in request.save_memory else "full"
        return self._load(weights, request.dtype, compiled=request.compile, offload="offload" in request.save_memory)

    def _load(self, weights: Format, dtype: Dtype | None, *, compiled: bool, offload: bool) -> LoadedModel:
        with self._lock:
            if self._loaded is None or self._loaded[0] != (weights, dtype, compiled):
                self._loaded = None  # before the next one takes memory
                with _loading:
                    family = load(
                        self._given, device=self._device, dtype=dtype, weights=weights, compiled=compiled,
                        offload=offload, hub=self._hub,
                    )  # fmt: skip
                self._loaded = (weights, dtype, compiled), LoadedModel(family, self.checkpoint)
            return self._loaded[1]

    def _memory_fallbacks(self, request: RenderRequest) -> list[Saving]:
        current = self._loaded  # read once: another thread may load another format meanwhile
        if current is None:  # memory ran out while loading
            cuda = torch.cuda.is_available() and (self._device or "cuda").startswith("cuda")
            return memory_fallbacks(request.save_memory, cuda=cuda, large=False)
        family = current[1].family
        side = max(request.plan.size) / family.cell
        return memory_fallbacks(request.save_memory, cuda=family.device.type == "cuda", large=side > family.tile)
