"""Types of a network's forward: encoded prompts, each block's text, edit and ControlNet inputs. No code runs here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..prompts.plan import ScenePlan
from .diffusers_types import Network
from .regions.attention import TextContext
from .regions.joint_attention import SequenceLayout
from .sampling.step_cache import StepCache
from .texts.prompt_reading import Reading
from .weights.lora import ActiveLora


@dataclass(frozen=True)
class Encoded:
    """One encoded prompt. states: (text tokens, channels); pooled: (channels,), where the family has one.

    sections: (length, own) of each padded span of states; the first `own` tokens are the prompt's, or padding that
    differs from token to token. Empty where there is no padding, or where all of it is kept. as_negative: the text as a
    negative prompt, of families that encode negatives otherwise.
    """

    states: Tensor
    pooled: Tensor | None = None
    reading: Reading = Reading("")
    sections: tuple[tuple[int, int], ...] = ()
    as_negative: Encoded | None = None


Encode = Callable[[Sequence[str]], Sequence[Encoded]]
# Conditioning of the whole picture by negative and scene prompt: pooled embeddings (2, channels; 1 without guidance),
# the encoded prompts, or none.
PictureCondition = Tensor | Sequence[Encoded] | None


@dataclass(frozen=True)
class JointText:
    """The texts of all regions, one span of tokens after the other; in each span those of the row's prompt first.

    states: (rows, text tokens, channels). layouts: who attends to whom, per block. span: the text of each token, int64
    (text tokens,). own: whether a token is its row's prompt's, and not padding beyond it, bool (rows, text tokens).
    positions: of a token in its own prompt; lengths: of that prompt; int64 (rows, text tokens).
    """

    states: Tensor
    layouts: tuple[SequenceLayout, ...]
    span: Tensor
    own: Tensor
    positions: Tensor
    lengths: Tensor


BlockTexts = Sequence[TextContext] | JointText


@dataclass(frozen=True)
class StepConditioning:
    """Conditioning of one forward: each block's text, and the active LoRAs."""

    texts: BlockTexts
    loras: Sequence[ActiveLora] = ()

    @property
    def contexts(self) -> Sequence[TextContext]:
        """The text of each block of a model that cross-attends."""
        assert not isinstance(self.texts, JointText)
        return self.texts

    @property
    def joint(self) -> JointText:
        """The text of a model whose text and image share one attention."""
        assert isinstance(self.texts, JointText)
        return self.texts


class Conditioning(Protocol):
    """One plan's prompts, encoded and projected once for all steps."""

    plan: ScenePlan
    guided: bool  # a forward takes unconditional rows before the conditional ones
    picture_condition: PictureCondition
    readings: tuple[Reading, ...]

    def at(self, region_weights: Tensor, *, pictures: int = 1) -> BlockTexts:
        """The text of each block for `pictures` unconditional rows, if guided, and as many conditional ones.

        region_weights: (regions + 1, image tokens), the weight of each prompt in every token.
        """

    def active_loras(self, region_weights: Tensor) -> list[ActiveLora]:
        """The LoRAs with their weight in each token; region_weights as in `at`."""


def full_steps(steps: int) -> set[int]:
    """The steps in which an edit computes the whole picture: evenly spread, five at most: 0, 4, 8, 12 and 16 of 20.

    The others compute the tokens that the edit draws; keys and values of the rest are extrapolated.
    """
    count = min(5, (steps + 1) // 2)
    return {steps * k // count for k in range(count)}


@dataclass(frozen=True)
class EditBase:
    """Input of an edit: the finished latents (1, channels, h, w), and the mask of tokens to redraw, bool (n,).

    cleared: those among them that are drawn as background, whatever region they belong to; None: no others.
    """

    latents: Tensor
    drawn: Tensor
    full_steps: Callable[[int], set[int]] = full_steps
    cleared: Tensor | None = None


@dataclass(frozen=True)
class ControlInput:
    """A ControlNet, and the latents (1, channels, h, w) of its control picture."""

    net: Network
    latents: Tensor
    scale: float


@dataclass(frozen=True)
class ForwardOptions:
    """Options of all forwards of one render. A family honours every option that its flags advertise."""

    guidance: float
    edit: EditBase | None = None
    cache: StepCache | None = None
    controls: Sequence[ControlInput] = ()


class Predict(Protocol):
    """The network's forward in one render."""

    def __call__(
        self, latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
    ) -> Tensor:
        """latents: scaled for the model, (rows, channels, h, w). partial: only the drawn tokens of an edit are
        computed. Returns the prediction, in the shape of the latents."""


# Guidance of a render: predictions in unconditional and conditional rows, step → the prediction to follow.
Guide = Callable[[Tensor, Tensor, int], Tensor]


def pooled_of(condition: PictureCondition) -> Tensor:
    """The pooled embeddings (2, channels; 1 without guidance) of a family that has them."""
    assert isinstance(condition, Tensor)
    return condition
