"""What the render loop asks of a family of models; each family is a small subclass in a file of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from copy import copy
from math import log
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor

from ...prompts.errors import RenderError
from ...prompts.plan import ScenePlan
from ..checkpoints.supported import check_scheduler, check_vae
from ..diffusers_types import Config, Layer, Network, Pipeline, Processor, TextStates
from ..forward import Conditioning, Encode, Encoded, ForwardOptions, PictureCondition, Predict
from ..prompt_reading import Reading, encoder_name, read
from ..regions.attention import project_text
from ..regions.conditioning import KeyValues, RegionConditioning
from ..regions.prompt_schedule import Level
from ..request import Solver
from ..sampling.schedules import Diffusion, Multistep, Schedule, published_solver
from ..weights.lora import LoadedLora, remove_hooks


class Family(ABC):
    """One loaded pipeline. It keeps no state of a render, so it may serve any number at once."""

    cell: ClassVar[int] = 8  # pixels a latent cell
    tile: ClassVar[int] = 64  # latent cells a side of what a tiled decoder decodes at once
    patch: int = 2  # latent cells a token
    partial: ClassVar[bool] = False  # an edit may compute its own tokens alone
    cached: ClassVar[bool] = False  # a step may reuse the residual of its blocks
    controlled: ClassVar[bool] = False  # ControlNets can be followed
    guided: ClassVar[bool] = True  # a forward takes unconditional and conditional rows
    guidable: bool = True  # a guidance scale acts
    flow: ClassVar[bool] = False  # a rectified flow; else a diffusion that predicts noise or v
    preferred: ClassVar[Solver] = "euler"  # where the published scheduler is no solver of this package
    encoders: ClassVar[tuple[str, ...]] = ("text_encoder",)  # the pipeline's parts that encode prompts
    denoiser: ClassVar[str] = "transformer"
    notes: tuple[str, ...] = ()  # warnings of every picture of this checkpoint

    def __init__(self, pipe: Pipeline, device: torch.device | None = None) -> None:
        """Raises ModelError if no solver can stand in for its scheduler, or if its VAE's latents are others."""
        check_scheduler(type(pipe.scheduler).__name__, pipe.scheduler.config, flow=self.flow)
        check_vae(pipe.vae.config)
        self.pipe = pipe
        self.device = device or self.model.device
        self._vae_dtype = pipe.vae.dtype
        if pipe.vae.dtype == torch.float16 and pipe.vae.config.get("force_upcast"):
            pipe.vae.to(torch.float32)  # it overflows in float16, and pictures come out black
        self._published: list[tuple[Layer, Processor]] = []  # what `release` gives back
        self.install_processors()

    @property
    def model(self) -> Network:
        """The network that denoises."""
        return getattr(self.pipe, self.denoiser)

    @property
    def channels(self) -> int:
        """Latent channels."""
        return int(self.model.config.in_channels)

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype  # type: ignore[no-any-return]

    @property
    def depth(self) -> int:
        """How many blocks take text."""
        return len(self.blocks)

    @property
    def blocks(self) -> list[Network]:
        """What is compiled by itself, so that blocks alike are compiled once."""
        return [self.model]

    def compile(self, **options: object) -> None:
        """Has the blocks compiled when they are first computed; options are torch.compile's."""
        for block in self.blocks:
            block.compile(**options)

    @property
    def largest(self) -> int | None:
        """How many tokens a side it can draw at most; None: as many as there is memory for."""
        return None

    def trained(self, side: int) -> list[tuple[int, int]]:
        """Widths and heights that a checkpoint for pictures of `side` pixels a side was trained at."""
        return [(side, side)]

    def nearest_trained(self, side: int, size: tuple[int, int]) -> tuple[int, int] | None:
        """Of `trained` the nearest in proportion and then in area, if all are far from a width and height: if one of
        their sides is over 1.5 times the other's."""
        width, height = size
        trained = self.trained(side)
        if any(max(w / width, width / w, h / height, height / h) <= 1.5 for w, h in trained):
            return None

        def apart(w: int, h: int) -> tuple[float, float]:
            return abs(log(w / h * height / width)), abs(log(w * h / width / height))

        return min(trained, key=lambda wh: apart(*wh))

    @abstractmethod
    def processors(self) -> Iterable[tuple[Layer, Processor]]:
        """The attention layers, each with the processor of this package that it gets."""

    def install_processors(self) -> None:
        """Gives the attention layers this package's processors; done after loading."""
        for layer, processor in self.processors():
            if type(layer.processor) is not type(processor):
                self._published.append((layer, layer.processor))
                layer.set_processor(processor)

    def release(self) -> Pipeline:
        """The pipeline as diffusers loaded it: its own processors, nothing compiled, no hooks, the decoder's own dtype.
        This family cannot draw any more. Weights that are held in 8 bits stay so."""
        for layer, processor in reversed(self._published):
            layer.set_processor(processor)
        self._published.clear()
        for block in self.blocks:
            block._compiled_call_impl = None
        remove_hooks(self.model)
        self.pipe.vae.to(self._vae_dtype)
        return self.pipe

    @abstractmethod
    def encode(self, text: str) -> Encoded:
        """One prompt, as the network takes it."""

    def reading(self, text: str, **limits: int) -> Reading:
        """How the pipeline's encoders, each by its name there with its limit in tokens, read a prompt."""
        return read(
            text,
            [
                (encoder_name(encoder), getattr(self.pipe, name.replace("text_encoder", "tokenizer")), limit)
                for name, limit in limits.items()
                if (encoder := getattr(self.pipe, name)) is not None
            ],
        )

    @abstractmethod
    def conditioning(
        self, encode: Encode, plan: ScenePlan, levels: Sequence[Level], grid: tuple[int, int],
        loras: Sequence[LoadedLora] = (),
    ) -> Conditioning:  # fmt: skip
        """A plan's prompts for the blocks. levels: one per block. grid: rows and columns of the image's tokens."""

    @abstractmethod
    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        """The network's forward in one render of latents (pictures, channels, h, w)."""

    def load_control(self, name: str) -> Network:
        """A ControlNet in main memory. Raises ModelError if it cannot be loaded, RenderError if there are none."""
        raise RenderError("ControlNets are for hunyuan models only")

    def misfits(self, loras: Sequence[LoadedLora], nets: Sequence[Network]) -> list[str]:
        """Warnings of LoRAs and ControlNets that fit, but were trained for another version of the model."""
        return []

    @property
    def solver(self) -> Solver:
        """How it draws where a request names no solver: with the one that its scheduler was published as."""
        return published_solver(self.pipe.scheduler, otherwise=self.preferred)

    def schedule(self, steps: int, *, denoise: float, tokens: int, solver: Solver | None = None) -> Schedule:
        """The denoising steps over so many tokens. Raises RenderError if they are too many."""
        config, solver = self.pipe.scheduler.config, solver or self.solver
        return self.schedule_of(config, steps, denoise=denoise, tokens=tokens, solver=solver, device=self.device)

    @classmethod
    def schedule_of(
        cls, config: Config, steps: int, *, denoise: float, tokens: int, solver: Solver, device: torch.device
    ) -> Schedule:
        """`schedule`, for the configuration of a published scheduler."""
        if solver == "dpm++":
            shift = cls.shift(config, tokens) if cls.flow else None
            return Multistep(config, steps, denoise, device, flow_shift=shift)
        return cls.euler(config, steps, denoise, tokens, device)

    @classmethod
    def euler(cls, config: Config, steps: int, denoise: float, tokens: int, device: torch.device) -> Schedule:
        """Euler's steps."""
        return Diffusion(config, steps, denoise, device)

    @classmethod
    def shift(cls, config: Config, tokens: int) -> float:
        """How far a flow's noise levels are moved towards noise for so many tokens: 1 not at all."""
        return float(config.get("flow_shift") or config.get("shift") or 1.0)

    def decode(self, latents: Tensor, *, tiled: bool = False) -> Image.Image:
        """Latents (1, channels, h, w) → RGB picture. `tiled`: in overlapping tiles, where they are larger than one."""
        return self.picture(self.pixels(latents, tiled=tiled))

    def picture(self, pixels: Tensor) -> Image.Image:
        """What the decoder made, (1, 3, height, width) → RGB picture."""
        return self.pipe.image_processor.postprocess(pixels, output_type="pil")[0]  # type: ignore[no-any-return]

    def pixels(self, latents: Tensor, *, tiled: bool = False) -> Tensor:
        """What the decoder makes of latents, as in `decode`: (1, 3, height, width)."""
        vae = self.pipe.vae
        latents = latents.to(vae.dtype) / vae.config.scaling_factor
        if shift := getattr(vae.config, "shift_factor", None):
            latents = latents + shift
        large = tiled and max(latents.shape[-2:]) > self.tile
        return (self._tiling().tiled_decode if large else vae.decode)(latents).sample  # type: ignore[no-any-return]

    def _tiling(self) -> Network:
        """The decoder with tiles of `tile` cells: a shallow copy, so that whoever shares the decoder keeps its own."""
        side = self.tile * self.cell
        return with_tiles(self.pipe.vae, tile_latent_min_size=self.tile, tile_sample_min_size=side)

    def encode_image(self, image: Image.Image) -> Tensor:
        """RGB picture → latents (1, channels, h, w), float32: the mode of the encoder's distribution."""
        vae = self.pipe.vae
        pixels = self.pipe.image_processor.preprocess(image).to(self.device, vae.dtype)
        encoded = vae.encode(pixels)
        latents = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latent
        shifted = latents.float() - (getattr(vae.config, "shift_factor", None) or 0)
        return shifted * vae.config.scaling_factor  # type: ignore[no-any-return]


class CrossFamily(Family):
    """A family whose image tokens cross-attend to the text; keys and values of a prompt are the same in every step."""

    def conditioning(
        self, encode: Encode, plan: ScenePlan, levels: Sequence[Level], grid: tuple[int, int],
        loras: Sequence[LoadedLora] = (),
    ) -> RegionConditioning:  # fmt: skip
        return RegionConditioning(self, encode, plan, levels, grid=grid, loras=loras)

    def text_states(self, encoded: Sequence[Encoded]) -> TextStates:
        """What the cross-attentions take of encoded prompts: (text tokens, channels) each."""
        return [prompt.states for prompt in encoded]

    def picture_condition(self, whole: Sequence[Encoded]) -> PictureCondition:
        """What the encoded negative and scene prompts set for the whole picture."""
        return None

    @abstractmethod
    def layer(self, index: int) -> Layer:
        """The cross-attention layer of a block."""

    def project(self, index: int, states: TextStates) -> KeyValues:
        """Keys and values of a block, of every prompt: (text tokens, heads, head dim) each."""
        pairs = [project_text(self.layer(index), prompt[None]) for prompt in states]
        return [keys[0] for keys, _ in pairs], [values[0] for _, values in pairs]

    def scale(self, index: int) -> int:
        """How many of the grid's tokens along a side one token of this block stands for."""
        return 1


def ratios(side: int) -> list[tuple[int, int]]:
    """The widths and heights of many ratios and one area of which models for pictures of `side` a side are trained."""
    from diffusers.pipelines.pixart_alpha import pipeline_pixart_alpha as alpha
    from diffusers.pipelines.pixart_alpha.pipeline_pixart_sigma import ASPECT_RATIO_2048_BIN

    tables = {
        256: alpha.ASPECT_RATIO_256_BIN, 512: alpha.ASPECT_RATIO_512_BIN, 1024: alpha.ASPECT_RATIO_1024_BIN,
        2048: ASPECT_RATIO_2048_BIN,
    }  # fmt: skip
    return [(int(width), int(height)) for height, width in tables.get(side, {"1": (side, side)}).values()]


def with_tiles(vae: Network, **sizes: int) -> Network:
    """A shallow copy of a decoder with other tiles. `sizes`: its attributes, all of which it must have already."""
    unknown = [name for name in sizes if not hasattr(vae, name)]
    assert not unknown, f"this diffusers sets a decoder's tiles otherwise: {type(vae).__name__} has no {unknown}"
    tiled = copy(vae)
    for name, size in sizes.items():
        setattr(tiled, name, size)
    return tiled
