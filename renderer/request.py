"""RenderRequest, which determines every byte of a picture and is stored in its PNG; RenderResult; PictureRenderer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self

from PIL import Image, ImageColor
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..prompts.plan import ScenePlan, optional_field
from ..prompts.revision import Revision
from .checkpoints.published_models import Checkpoint
from .pictures.file_ref import File, FileRef
from .regions.prompt_schedule import PromptSchedule

if TYPE_CHECKING:
    from torch import Tensor

MAX_BATCH = 16  # pictures of one batch
CANDIDATE_STRIDE = 0x9E3779B9  # between the seeds of candidates: large, so that typed seeds do not collide with them
RENAMED = {"depth": "prompt_schedule", "save": "save_memory"}  # fields of `RenderRequest`: earlier name → name
Fit = Literal["cover", "contain", "stretch"]
Saving = Literal["tiling", "offload", "int8", "fp8"]
Solver = Literal["euler", "dpm++"]
Dtype = Literal["float32", "bfloat16", "float16"]
Scale = Annotated[float, Field(ge=-4, le=4, allow_inf_nan=False)]


def candidate_seed(seed: int, number: int) -> int:
    """The seed of candidate `number`, counted from 0. It stays within 32 bits if `seed` does."""
    return (seed + number * CANDIDATE_STRIDE) % (2**32 if seed < 2**32 else 2**63)


class Lora(BaseModel):
    """Low-rank weights that are added to the model's, for the whole picture or for one region's tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: File = Field(description="safetensors file in peft's, diffusers' or kohya's naming")
    scale: Scale = Field(default=1.0, description="how strongly they act; 0: not at all")
    region: str | None = Field(default=None, description="name of the region they act in; null: the whole picture")


class Control(BaseModel):
    """A ControlNet and the picture that it follows: edges, depth or a pose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(description="'canny', 'depth' or 'pose' (the published ones), or a folder or hub name")
    image: File = Field(description="the edges, depth map or pose, as a picture")
    scale: Scale = Field(default=1.0, description="how strongly it is followed")


class RenderRequest(BaseModel):
    """Everything that determines the bytes of a picture on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: ScenePlan
    model: str | None = Field(
        default=None, description="name or folder of the checkpoint; null: the one that draws it, which a picture names"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="seed of the noise")
    steps: int | None = Field(default=None, ge=1, le=1000, description="denoising steps; null: the model's own")
    guidance_scale: float | None = Field(default=None, ge=1, le=30, description="CFG scale; null: the model's own")
    solver: Solver | None = optional_field(
        None, description="how the steps are computed: 'euler' or 'dpm++'; null: as the model was published"
    )
    prompt_schedule: PromptSchedule | None = Field(
        default=None, description="which prompt level each block attends to; null: what suits the model"
    )
    together: list[int] = optional_field(
        [],
        max_length=MAX_BATCH,
        description="seeds of all pictures drawn in one batch with this one, its own among them",
    )
    edits: list[Revision] = optional_field([], description="revisions drawn into the finished picture, in this order")
    image: File | None = optional_field(
        None, description="picture to start from, fitted to the plan's size; edits start from noise all the same"
    )
    denoise: float = optional_field(
        1.0, ge=0.001, le=1, description="share of the noise that `image` is put under: 1 leaves next to nothing of it"
    )
    fit: Fit = optional_field(
        "cover", description="how pictures of another shape than the plan's are made to fit: 'cover' cuts off their "
        "edges, 'contain' frames them, 'stretch' distorts them"
    )  # fmt: skip
    background: str = optional_field(
        "white", max_length=40, description="colour that is seen where a given picture is transparent, and of frames: "
        "a name, or #rrggbb"
    )  # fmt: skip
    controls: list[Control] = optional_field([], max_length=4, description="ControlNets; they take the scene prompt")
    loras: list[Lora] = optional_field([], max_length=16, description="LoRA weights")
    save_memory: list[Saving] = optional_field(
        [], description="what saves memory: 'tiling' decodes in tiles, 'offload' keeps on the GPU only what is at "
        "work, 'int8' and 'fp8' hold the weights in 8 bits"
    )  # fmt: skip
    dtype: Dtype | None = optional_field(
        None, description="number format that the model computes in; null: the device's, 16 bits on a GPU and float32 "
        "elsewhere"
    )  # fmt: skip
    step_cache: float = optional_field(
        0.0, ge=0, le=1, description="a step whose first block changes less than this share reuses the other blocks"
    )
    compile: bool = optional_field(
        False, description="compile the blocks with torch.compile: slow once, then faster; a LoRA computes uncompiled"
    )

    @model_validator(mode="before")
    @classmethod
    def _renames(cls, fields: object) -> object:
        """Pictures of earlier versions have their fields under other names."""
        return {RENAMED.get(key, key): value for key, value in fields.items()} if isinstance(fields, dict) else fields

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.together and self.seed not in self.together:
            raise ValueError("together must list the seed of the picture itself")
        if self.denoise < 1 and not self.image:
            raise ValueError("denoise below 1 needs an image to start from")
        ImageColor.getrgb(self.background)
        if (self.fit != "cover" or self.background != "white") and not (self.image or self.controls):
            raise ValueError("fit and background are for an image to start from, or for one that a control follows")
        if {"int8", "fp8"} <= set(self.save_memory):
            raise ValueError("weights are held in int8 or in fp8, not in both")
        for lora in self.loras:
            if lora.region is not None:
                self.plan.region(lora.region)
        return self

    @property
    def edited_plan(self) -> ScenePlan:
        """The plan that the finished picture shows: `plan` after all edits."""
        plan = self.plan
        for revision in self.edits:
            plan = revision.apply(plan)
        return plan

    @property
    def files(self) -> list[FileRef]:
        """All local files that the request needs."""
        named = [self.image] if self.image else []
        return [*named, *(control.image for control in self.controls), *(lora.file for lora in self.loras)]


@dataclass(frozen=True)
class RenderResult:
    """A picture and the request that reproduces it. `latents`: float32 (1, channels, h, w); None: a server drew it, and
    the picture is all there is. `seconds` and `warnings` of an edit include those of the picture before it, unless that
    was read from a file."""

    request: RenderRequest
    image: Image.Image
    latents: "Tensor | None" = field(repr=False)
    seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LocalResult(RenderResult):
    """One that this process drew, with its latents."""

    latents: "Tensor" = field(repr=False)


@dataclass(frozen=True)
class Step:
    """Progress of a render; `preview` decodes the predicted clean latents, reduced to a small picture; None: a server
    has them."""

    index: int  # 1 … total; 0 while a server has not begun
    total: int
    preview: Callable[[], Image.Image] | None = field(repr=False)


OnStep = Callable[[Step], None]
"""Called after each denoising step. What it raises ends the render there and is passed on: a cancelled job raises
`JobCancelled`."""


class PictureRenderer(Protocol):
    """Draws requests: `pipeline.Renderer` on this machine, `remote.RemoteRenderer` on a server.

    model: its name, as pictures store it. device: what one picture at a time is drawn on.
    """

    @property
    def model(self) -> str: ...

    @property
    def checkpoint(self) -> Checkpoint: ...

    @property
    def device(self) -> str: ...

    @property
    def token(self) -> int:
        """Side in pixels of the smallest part that a region can have to itself."""

    def warm_up(self) -> None:
        """Loads what the first picture needs. Raises ModelError."""

    def render(self, request: RenderRequest, on_step: OnStep | None = None) -> RenderResult:
        """Draws the request. Raises RenderError, ModelError, RunError; ValueError if it names another model."""

    def candidates(self, request: RenderRequest, count: int, on_step: OnStep | None = None) -> Sequence[RenderResult]:
        """Draws `count` different pictures of one plan, 1 to 16. Raises as `render`."""

    def together(self, requests: Sequence[RenderRequest], on_step: OnStep | None = None) -> Sequence[RenderResult]:
        """Draws pictures of different plans, in one batch where that can be. Raises as `render`; RenderError if the
        model draws plans one by one only, ValueError if these do not go together."""

    def edit(
        self, picture: RenderResult | RenderRequest, revision: Revision, on_step: OnStep | None = None
    ) -> RenderResult:
        """Draws the regions that a revision changes into a finished picture, and keeps everything else. Raises as
        `render`; ValueError if the revision changes nothing visible."""
