"""`CaptionFamily`: models that take boxes by themselves. A plan becomes one caption, see `prompts/formats`."""

from collections.abc import Iterable, Sequence

from torch import Tensor
from torch.nn.functional import pad

from ....prompts.errors import RenderError
from ....prompts.formats.layout_format import Feature, unsaid
from ....prompts.formats.registry import dump_layout, format_named
from ....prompts.plan import LeveledPrompt, Region, ScenePlan
from ....prompts.prompt_syntax import plain_text
from ...diffusers_types import AttentionLayer, Processor
from ...forward import BlockTexts, Encode, Encoded, PictureCondition
from ...regions.conditioning import readings_of
from ...regions.prompt_schedule import Level
from ...texts.prompt_reading import Reading, encoder_name
from ...weights.lora import ActiveLora, LoadedLora
from ..flux_2_vae import Flux2Latents
from ..shifted_flow import ShiftedFlow

# What acts without the caption, or is no part of the picture.
_ELSEWHERE: frozenset[Feature] = frozenset({"size", "seed", "negative", "names", "levels"})


class CaptionFamily(Flux2Latents, ShiftedFlow):
    """Every block attends to the whole caption: regions act by what it says of them, with no mask. An edit gets the
    caption of the edited plan, and keeps the tokens outside."""

    limit: int  # tokens of a caption, with the chat template around it

    def texts(self, plan: ScenePlan, levels: Sequence[Level] = ()) -> list[str]:
        """The negative and the caption."""
        return [self.negative(plan), self.caption(plan)]

    def negative(self, plan: ScenePlan) -> str:
        """The text of the unconditional rows."""
        return plain_text(plan.negative)

    def caption(self, plan: ScenePlan) -> str:
        """The caption of a plan, without weights of words."""
        return dump_layout(_without_weights(plan), self.style.caption).text

    def unsaid(self, plan: ScenePlan, levels: Sequence[Level]) -> list[str]:
        form = format_named(self.style.caption)
        assert form.write
        _, notes = form.write(plan)
        notes += unsaid(plan, form.says | _ELSEWHERE, where="in this model's caption")
        if any(level != "region" for level in levels):
            notes.append("the prompt schedule was ignored: every block of this model attends to the whole caption")
        return notes

    def encode_weighted(self, text: str) -> Encoded:
        return self.encode(text)  # brackets in a caption are JSON

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        return ()

    def conditioning(
        self, encode: Encode, plan: ScenePlan, levels: Sequence[Level], grid: tuple[int, int],
        loras: Sequence[LoadedLora] = (), *, guided: bool = True,
    ) -> "CaptionConditioning":  # fmt: skip
        return CaptionConditioning(self, encode, plan, loras, guided=guided)

    def tokens_before(self, caption: Encoded) -> int:
        """The number of tokens before the image's in the sequence that the blocks compute for a caption."""
        return len(caption.states)

    def checked(self, text: str, chat: str, *, more: int = 0) -> Reading:
        """The reading of a text. chat: the text with the chat template around it. more: tokens beside those of words.

        Raises RenderError if it is too long, or holds a control token, which would end or divide it.
        """
        tokenizer = self.tokenizer_of("text_encoder")
        for token in (*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()):
            if token in text:
                raise RenderError(f"{token!r} in a prompt is a control token of this model: leave it out")
        tokens = len(tokenizer(chat, add_special_tokens=False)["input_ids"]) + more
        if tokens > self.limit:
            raise RenderError(
                f"the plan's caption has {tokens:,} tokens, and this model reads {self.limit:,}: shorten its prompts, "
                "or take regions out"
            )
        return Reading(text, (encoder_name(self.pipe.text_encoder),), tokens=(tokens,))


class CaptionConditioning:
    """The caption and the negative of one render, and the LoRAs of its regions."""

    def __init__(
        self, family: CaptionFamily, encode: Encode, plan: ScenePlan, loras: Sequence[LoadedLora], *, guided: bool
    ) -> None:
        self.plan, self.guided, self._loras = plan, guided, loras
        captions = encode(family.texts(plan))
        self.picture_condition: PictureCondition = captions
        self.readings = readings_of(captions)
        self._before = sorted({family.tokens_before(caption) for caption in captions} | {0})
        self._device = family.device

    def at(self, region_weights: Tensor, *, pictures: int = 1) -> BlockTexts:
        """No texts of blocks."""
        return ()

    def active_loras(self, region_weights: Tensor) -> list[ActiveLora]:
        """The LoRAs, those of a region on its image tokens alone; region_weights: (regions + 1, image tokens)."""
        weights = region_weights.float().to(self._device)
        return [
            ActiveLora(
                lora,
                None if lora.region is None else {
                    (False, before + weights.shape[1]): pad(weights[lora.region + 1], (before, 0))
                    for before in self._before
                },
            )
            for lora in self._loras
        ]  # fmt: skip


def _without_weights(plan: ScenePlan) -> ScenePlan:
    def plain(prompt: LeveledPrompt) -> LeveledPrompt:
        return LeveledPrompt(high_level=plain_text(prompt.high_level), low_level=plain_text(prompt.low_level))

    def region(each: Region) -> Region:
        return each.model_copy(update={"prompt": plain(each.prompt)})

    update = {"scene": plain(plan.scene), "style": plain_text(plan.style), "regions": list(map(region, plan.regions))}
    return plan.model_copy(update=update)
