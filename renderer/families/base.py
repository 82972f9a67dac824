"""`Family`, the interface between the renderer and a diffusers pipeline: encode, condition, forward, schedule, decode.

A new family is a subclass of `CrossFamily` (cross.py) or `JointFamily` (joint/family.py) in a file of its own, and a
row of `checkpoints/published_models.py`; see docs/new-family.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from math import log
from typing import TYPE_CHECKING, ClassVar

import torch
from PIL import Image
from torch import Tensor

from ...prompts.errors import RenderError
from ...prompts.plan import ScenePlan
from ...prompts.prompt_syntax import Fragment, fragments
from ...prompts.wording import PROSE, PromptStyle
from ..checkpoints.supported import check_scheduler, check_vae
from ..diffusers_types import AttentionLayer, Config, Network, Pipeline, Processor
from ..forward import Conditioning, Encode, Encoded, ForwardOptions, Guide, PictureCondition, Predict
from ..regions.conditioning import all_texts
from ..regions.prompt_schedule import Level
from ..request import Solver
from ..sampling.schedules import Diffusion, Multistep, Schedule, published_solver
from ..texts.prompt_reading import Reading, encoder_name, read
from ..texts.prompt_weights import token_weights, weighted
from ..weights.lora import LoadedLora, remove_hooks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer


class Family(ABC):
    """A loaded pipeline. Stateless between renders, so it may serve several at once."""

    cell: int = 8  # pixels per side of a latent cell
    tile: ClassVar[int] = 64  # latent cells per side of a tile of the tiled decoder
    partial: ClassVar[bool] = False  # steps of an edit may compute the redrawn tokens alone
    cached: ClassVar[bool] = False  # supports the step cache
    controlled: ClassVar[bool] = False  # supports ControlNets
    weighted: ClassVar[bool] = False  # weights of words in prompts act in its encoders
    halves: ClassVar[bool] = False  # a forward may take the rows of one half of the guidance alone
    several: ClassVar[bool] = False  # pictures of several plans may be rows of one batch
    flow: ClassVar[bool] = False  # a rectified flow; else a diffusion that predicts noise or v
    normalised: ClassVar[bool] = False  # latents are normalised by channel, as the VAE's configuration says
    preferred: ClassVar[Solver] = "euler"  # if the published scheduler is not a solver of this package
    encoders: ClassVar[tuple[str, ...]] = ("text_encoder",)  # the pipeline's components that encode prompts
    denoiser: ClassVar[str] = "transformer"  # the pipeline's component that denoises
    denoisers: ClassVar[tuple[str, ...]] = ()  # other components that a forward runs
    notes: tuple[str, ...] = ()  # warnings for every picture of this checkpoint
    style: PromptStyle = PROSE  # how this checkpoint is prompted

    def __init__(self, pipe: Pipeline, device: torch.device | None = None) -> None:
        """Raises ModelError if its scheduler or its VAE is not supported, see `checkpoints.supported`."""
        check_scheduler(type(pipe.scheduler).__name__, pipe.scheduler.config, flow=self.flow)
        if not self.normalised:
            check_vae(pipe.vae.config)
        self.pipe = pipe
        self.device = device or self.model.device
        self._vae_dtype = pipe.vae.dtype
        if pipe.vae.dtype == torch.float16 and pipe.vae.config.get("force_upcast"):
            pipe.vae.to(torch.float32)  # in float16 it overflows, and pictures are black
        self._published: list[tuple[AttentionLayer, Processor]] = []  # restored by `release`
        self.install_processors()

    @property
    def model(self) -> Network:
        """The denoiser."""
        return getattr(self.pipe, self.denoiser)

    @property
    def channels(self) -> int:
        """Latent channels."""
        return int(self.model.config.in_channels)

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype  # type: ignore[no-any-return]

    @property
    def patch(self) -> int:
        """Latent cells per side of a token."""
        return int(self.model.config.patch_size)

    @property
    def guided(self) -> bool:
        """Classifier-free guidance: a forward takes unconditional and conditional rows."""
        return True

    @property
    def negatable(self) -> bool:
        """Whether negative prompts have an effect, at a guidance scale above 1."""
        return self.guided

    @property
    def guidable(self) -> bool:
        """Whether the guidance scale has an effect."""
        return True

    @property
    def block_count(self) -> int:
        """Number of blocks, or layers, that attend to text: the prompt schedule gives each a level."""
        return len(self.blocks)

    @property
    def blocks(self) -> list[Network]:
        """Modules that are compiled separately, so that equal ones share a graph."""
        return list(self.model.transformer_blocks)

    def compile(self, **options: object) -> None:
        """Marks the blocks for compilation on first use. options: of torch.compile."""
        for block in self.blocks:
            block.compile(**options)

    @property
    def largest(self) -> int | None:
        """Most tokens per side; None: limited by memory only."""
        return None

    def trained(self, side: int) -> list[tuple[int, int]]:
        """Widths and heights in pixels that a checkpoint for `side`×`side` pictures was trained at."""
        return [(side, side)]

    def nearest_trained(self, side: int, size: tuple[int, int]) -> tuple[int, int] | None:
        """The trained size nearest to `size`, by aspect ratio and then by area; None if some trained size is close,
        with both sides within a factor of 1.5."""
        width, height = size
        trained = self.trained(side)
        if any(max(w / width, width / w, h / height, height / h) <= 1.5 for w, h in trained):
            return None

        def apart(w: int, h: int) -> tuple[float, float]:
            return abs(log(w / h * height / width)), abs(log(w * h / width / height))

        return min(trained, key=lambda wh: apart(*wh))

    @abstractmethod
    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        """The attention layers, each with its processor of this package."""

    def install_processors(self) -> None:
        """Installs the processors; the published ones are kept for `release`."""
        for layer, processor in self.processors():
            if type(layer.processor) is not type(processor):
                self._published.append((layer, layer.processor))
                layer.set_processor(processor)

    def release(self) -> Pipeline:
        """The pipeline as diffusers loaded it: its own processors, nothing compiled, no hooks, the VAE's own dtype.
        This object can no longer draw. 8-bit weights stay 8-bit."""
        for layer, processor in reversed(self._published):
            layer.set_processor(processor)
        self._published.clear()
        for block in self.blocks:
            block._compiled_call_impl = None
        remove_hooks(self.model)
        self.pipe.vae.to(self._vae_dtype)
        return self.pipe

    def texts(self, plan: ScenePlan, levels: Sequence[Level]) -> list[str]:
        """All distinct texts that a render of a plan encodes. levels: as in `conditioning`."""
        return all_texts(plan, levels, self.style, guided=self.guided)

    def unsaid(self, plan: ScenePlan, levels: Sequence[Level]) -> list[str]:
        """Warnings of what in a plan and its prompt schedule this family's way of conditioning cannot say."""
        return []

    @abstractmethod
    def encode(self, text: str) -> Encoded:
        """Encodes one prompt. Raises RenderError for a text that the family refuses."""

    def encode_weighted(self, text: str) -> Encoded:
        """Encodes one prompt with the weights of its words, see `prompt_syntax`, if they act in this family."""
        parts = fragments(text)
        encoded = self.encode("".join(part.text for part in parts))
        return encoded if not self.weighted or all(part.weight == 1 for part in parts) else self.weigh(encoded, parts)

    def weigh(self, encoded: Encoded, parts: Sequence[Fragment]) -> Encoded:
        """An encoded prompt with the weights of its parts."""
        sections, empty = self.token_sections(len(encoded.states)), self.empty_states(len(encoded.states))
        lengths = [length for _, length in sections]
        states = [
            weighted(states, base, token_weights(tokenizer, parts, length))
            for (tokenizer, length), states, base in zip(
                sections, encoded.states.split(lengths), empty.split(lengths), strict=True
            )
        ]
        return replace(encoded, states=torch.cat(states))

    def token_sections(self, length: int) -> list[tuple[Tokenizer | None, int]]:
        """The tokenizers whose tokens follow each other in a prompt's states, and how many of each; None: unused."""
        return [(self.tokenizer_of(self.encoders[-1]), length)]

    def empty_states(self, length: int) -> Tensor:
        """The states (length, channels) of a prompt without words. Where padding is not kept, that of its last token
        stands for it."""
        states = self.encode(" ").states  # an empty text may be zeros, see StableDiffusionXL
        return torch.cat([states, states[-1:].expand(max(0, length - len(states)), -1)])[:length]

    def tokenizer_of(self, encoder: str) -> Tokenizer:
        """The tokenizer of an encoder, by the encoder's name in the pipeline."""
        tokenizer: Tokenizer = getattr(self.pipe, encoder.replace("text_encoder", "tokenizer"))
        return tokenizer

    def reading(self, text: str, **limits: int) -> Reading:
        """The `Reading` of a prompt. limits: token limit by the encoder's name in the pipeline."""
        return read(
            text,
            [
                (encoder_name(encoder), self.tokenizer_of(name), limit)
                for name, limit in limits.items()
                if (encoder := getattr(self.pipe, name)) is not None
            ],
        )

    @abstractmethod
    def conditioning(
        self, encode: Encode, plan: ScenePlan, levels: Sequence[Level], grid: tuple[int, int],
        loras: Sequence[LoadedLora] = (), *, guided: bool = True,
    ) -> Conditioning:  # fmt: skip
        """Conditions the blocks on a plan's prompts. levels: one per block. grid: rows and columns of image tokens.
        guided: whether unconditional rows are needed; a family may compute them all the same."""

    def picture_condition(self, whole: Sequence[Encoded]) -> PictureCondition:
        """Conditioning of the whole picture: the pooled embeddings (prompts, channels), None without them. whole: the
        encoded negative, of a family that is guided, and scene prompt."""
        pooled = [prompt.pooled for prompt in whole if prompt.pooled is not None]
        return torch.stack(pooled) if pooled else None

    @abstractmethod
    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        """The network's forward in one render of latents (pictures, channels, h, w)."""

    def load_control(self, name: str) -> Network:
        """Loads a ControlNet into main memory. Raises ModelError; RenderError if the family has none."""
        raise RenderError("models of this family take no ControlNets")

    def misfits(self, loras: Sequence[LoadedLora], nets: Sequence[Network]) -> list[str]:
        """Warnings of LoRAs and ControlNets that were trained for another version of the model."""
        return []

    @property
    def solver(self) -> Solver:
        """The solver if a request names none: that of the published scheduler."""
        return published_solver(self.pipe.scheduler, otherwise=self.preferred)

    def schedule(self, steps: int, *, denoise: float, tokens: int, solver: Solver | None = None) -> Schedule:
        """The schedule for an image of that many tokens. Raises RenderError for too many steps."""
        config, solver = self.pipe.scheduler.config, solver or self.solver
        return self.schedule_of(config, steps, denoise=denoise, tokens=tokens, solver=solver, device=self.device)

    @classmethod
    def schedule_of(
        cls, config: Config, steps: int, *, denoise: float, tokens: int, solver: Solver, device: torch.device
    ) -> Schedule:
        """`schedule` for a scheduler's configuration, without a loaded pipeline."""
        if solver == "dpm++":
            shift = cls.shift(config, tokens, round(steps / denoise)) if cls.flow else None
            return Multistep(config, steps, denoise, device, flow_shift=shift)
        return cls.euler(config, steps, denoise, tokens, device)

    @classmethod
    def euler(cls, config: Config, steps: int, denoise: float, tokens: int, device: torch.device) -> Schedule:
        """The schedule of the Euler solver."""
        return Diffusion(config, steps, denoise, device)

    @classmethod
    def shift(cls, config: Config, tokens: int, steps: int) -> float:
        """The shift of a flow's noise levels for that many image tokens and steps in all; 1: none."""
        return float(config.get("flow_shift") or config.get("shift") or 1.0)

    def guide(self, negative: Tensor, positive: Tensor, scale: float) -> Tensor:
        """Classifier-free guidance of the predictions in unconditional and conditional rows, in the latents' shape."""
        return negative + scale * (positive - negative)

    def guider(self, scale: float, steps: int, condition: PictureCondition) -> Guide:
        """The guidance of one render; by default `guide` in every step."""
        return lambda negative, positive, step: self.guide(negative, positive, scale)

    def decode(self, latents: Tensor, *, tiled: bool = False) -> Image.Image:
        """Latents (1, channels, h, w) → RGB picture. tiled: in overlapping tiles, if larger than one tile."""
        return self.picture(self.pixels(latents, tiled=tiled))

    def picture(self, pixels: Tensor) -> Image.Image:
        """Decoded pixels (1, 3, height, width) → RGB picture."""
        return self.pipe.image_processor.postprocess(pixels, output_type="pil")[0]  # type: ignore[no-any-return]

    def pixels(self, latents: Tensor, *, tiled: bool = False) -> Tensor:
        """Decodes latents as `decode` does, to (1, 3, height, width)."""
        vae = self.pipe.vae
        latents = latents.to(vae.dtype) / vae.config.scaling_factor
        if shift := getattr(vae.config, "shift_factor", None):
            latents = latents + shift
        large = tiled and max(latents.shape[-2:]) > self.tile
        return (self._tiling().tiled_decode if large else vae.decode)(latents).sample  # type: ignore[no-any-return]

    def _tiling(self) -> Network:
        """The VAE with tiles of `tile` cells: a shallow copy, so that its settings are left alone."""
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


def with_tiles(vae: Network, **sizes: int) -> Network:
    """A shallow copy of a VAE with other tile sizes. sizes: values of its existing attributes."""
    unknown = [name for name in sizes if not hasattr(vae, name)]
    assert not unknown, f"{type(vae).__name__} of this diffusers version has no {unknown}"
    tiled = copy(vae)
    for name, size in sizes.items():
        setattr(tiled, name, size)
    return tiled
