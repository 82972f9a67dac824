"""A language model's answer to a critique, and its conversion to a Revision. The descriptions are sent to the LLM."""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Annotated

from pydantic import Field, WithJsonSchema, create_model

from ..layout.box_units import to_shares
from ..layout.token_owners import TOKEN, tokens_by_name
from ..plan import Box, LeveledPrompt, Region, ScenePlan
from ..revision import RegionChange, Revision
from ..wording import joined
from .plan_answer import Answer, AnswerBox, AnswerRegion, ListAsText, Name, Phrase, Prose, entries


class RevisedRegion(Answer):
    """What changes in one region; null leaves a thing as it is."""

    name: Name = Field(description="name of the region, as in the plan")
    high_level: Phrase | None = Field(description="what it is, in other words, if its words misled; else null")
    low_level: Prose | None = Field(description="what it looks like, in other words, if its looks are wrong; else null")
    negative: Annotated[Phrase | None, ListAsText] = Field(
        description="what was drawn there and must not be, added to its negative; else null"
    )
    box: AnswerBox | None  # no description: beside a reference strict modes take none
    new_seed: bool = Field(
        description="whether to begin from other noise: true if the words are right and the picture is not"
    )


class RevisionAnswer(Answer):
    """The next try. What is not named stays exactly as it is drawn."""

    reason: Prose = Field(description="what was wrong, and why this should mend it, in one sentence")
    changes: list[RevisedRegion] = Field(
        description="regions to draw again: in other words, at another place (box), larger or smaller (box), or from "
        "other noise",
        json_schema_extra=entries(16),
    )
    removed: list[Name] = Field(
        description="names of regions to take away: what cannot be mended, or is split; else empty",
        json_schema_extra=entries(16),
    )
    added: list[AnswerRegion] = Field(
        description="the parts that a removed region is split into; else empty", json_schema_extra=entries(8)
    )
    scene_high_level: Prose | None = Field(
        description="the whole picture in other words, if the scene is wrong or its words no longer fit; else null"
    )
    scene_low_level: Prose | None = Field(description="light, palette and mood in other words; else null")


def revision_answer(names: Sequence[str]) -> type[RevisionAnswer]:
    """The answer about a plan whose regions have these names: its schema lets no other one be given. At least one."""
    one_of = Annotated[str, WithJsonSchema({"type": "string", "enum": list(names)})]
    fields, region_fields = RevisionAnswer.model_fields, RevisedRegion.model_fields
    region = create_model(
        "RevisedRegion", __base__=RevisedRegion, __doc__=RevisedRegion.__doc__,
        name=(one_of, copy(region_fields["name"])),
    )  # fmt: skip
    return create_model(
        "RevisionAnswer", __base__=RevisionAnswer, __doc__=RevisionAnswer.__doc__,
        changes=(list[region], copy(fields["changes"])), removed=(list[one_of], copy(fields["removed"])),  # type: ignore[valid-type]
    )  # fmt: skip


def revision_from(
    answer: RevisionAnswer, plan: ScenePlan, *, new_seed: Callable[[str], int], token: int = TOKEN
) -> Revision | None:
    """The revision of a plan with a size; None if the answer changes nothing. new_seed: of a region's name. token: side
    of an image token in pixels.

    Raises ValueError, in words for the model, for names that the plan does not have, and for regions without a token.
    """
    boxes = _boxes([*answer.changes, *answer.added], plan)
    changes = [_change(entry, plan.region(entry.name), boxes.get(entry.name), new_seed) for entry in answer.changes]
    changes = [change for change in changes if change != RegionChange(name=change.name)]
    added = [
        Region(
            name=entry.name, box=boxes[entry.name], negative=entry.negative or "", lettering=entry.lettering or "",
            prompt=LeveledPrompt(high_level=entry.high_level or entry.name, low_level=entry.low_level),
        )
        for entry in answer.added
    ]  # fmt: skip
    scene = LeveledPrompt(
        high_level=answer.scene_high_level or plan.scene.high_level,
        low_level=plan.scene.low_level if answer.scene_low_level is None else answer.scene_low_level,
    )
    if not (changes or added or answer.removed or scene != plan.scene):
        return None
    revision = Revision(
        reason=answer.reason, changes=changes, added=added, removed=answer.removed,
        scene=scene if scene != plan.scene else None,
    )  # fmt: skip
    _check_tokens(plan, revision.apply(plan), revision.names, token=token)
    return revision


def _boxes(entries: Sequence[RevisedRegion | AnswerRegion], plan: ScenePlan) -> dict[str, Box]:
    """The new boxes by name, cut at the picture's edge. Those of the plan, which the model was shown in thousandths,
    tell the unit that it goes on with, wherever in the picture they are."""
    before = [[1000 * edge for edge in region.box.model_dump().values()] for region in plan.regions]
    before += [[0, 0, 1000, 1000]] if before else []
    with_box = [(entry.name, entry.box) for entry in entries if entry.box]
    edges = [[box.left, box.top, box.right, box.bottom] for _, box in with_box]
    shares, _ = to_shares([*before, *edges], canvas=plan.size, scale=False)
    new = zip(with_box, shares[len(before) :], strict=True)
    return {name: Box(left=left, top=top, right=right, bottom=bottom) for (name, _), (left, top, right, bottom) in new}


def _change(entry: RevisedRegion, region: Region, box: Box | None, new_seed: Callable[[str], int]) -> RegionChange:
    prompt = LeveledPrompt(
        high_level=entry.high_level or region.prompt.high_level,
        low_level=region.prompt.low_level if entry.low_level is None else entry.low_level,
    )
    more = entry.negative if entry.negative and entry.negative.lower() not in region.negative.lower() else ""
    negative = joined(region.negative, more)  # what the brief forbids stays forbidden
    return RegionChange(
        name=entry.name, prompt=prompt if prompt != region.prompt else None, box=box if box != region.box else None,
        negative=negative if negative != region.negative else None,
        seed=new_seed(entry.name) if entry.new_seed else None,
    )  # fmt: skip


def _check_tokens(before: ScenePlan, after: ScenePlan, names: Sequence[str], *, token: int) -> None:
    """Raises ValueError if one of the regions `names` owns no token, because it is too small or others cover it, or if
    another one owns none any more."""
    counts, earlier = _owned(after, token), _owned(before, token)
    hidden = [name for name, count in counts.items() if not count and (name in names or earlier[name])]
    if hidden:
        raise ValueError(f"box of {', '.join(hidden)}: too small, or wholly covered by others; give it room")


def _owned(plan: ScenePlan, token: int) -> dict[str, int]:
    """How many tokens each region owns, by name."""
    width, height = plan.size
    return tokens_by_name(plan.regions, rows=max(1, height // token), columns=max(1, width // token))
