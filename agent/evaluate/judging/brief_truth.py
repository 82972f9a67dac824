"""Briefs with what a picture of them has to show: GenEval's metadata, truth lines, or plain text; and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....prompts.errors import RunError
from ....prompts.outside_json import JsonObject
from ....prompts.plan import MAX_BRIEF, Box, LeveledPrompt, Region, ScenePlan
from .planner_truth import lines, wrong


@dataclass(frozen=True)
class Brief:
    """truth: as of `planner_truth`, null if nobody knows what is right."""

    task: str
    text: str
    truth: JsonObject | None = None


@dataclass(frozen=True)
class Thing:
    """Something that a judge saw in a picture."""

    subject: str
    colour: str
    box: Box


def read_briefs(path: Path, limit: int = 0) -> list[Brief]:
    """The briefs of a file, at most so many of each task; 0: all. Raises RunError.

    A .jsonl file holds GenEval's metadata {tag, include, exclude?, prompt}, lines of truth as of `planner_truth`, or
    {brief} alone; any other file a brief a line.
    """
    if path.suffix == ".jsonl":
        briefs = [_brief(row, path) for row in lines([path])]
    else:
        try:
            texts = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeError) as error:
            raise RunError(f"{path}: cannot be read as text") from error
        briefs = [Brief("briefs", text) for text in texts if text]
    if long := [brief for brief in briefs if len(brief.text) > MAX_BRIEF]:
        raise RunError(f"{path} holds a brief of {len(long[0].text):,} characters; at most {MAX_BRIEF:,} are read")
    by_task: dict[str, list[Brief]] = {}
    for brief in briefs:
        by_task.setdefault(brief.task, []).append(brief)
    return [brief for group in by_task.values() for brief in group[: limit or None]]


def _brief(row: JsonObject, path: Path) -> Brief:
    if "include" in row and isinstance(row.get("prompt"), str):
        return Brief(str(row.get("tag", "geneval")), row["prompt"], _truth_of_geneval(row, path))
    text = row.get("prompt", row.get("brief"))
    if not isinstance(text, str) or not text.strip():
        raise RunError(f"{path}: a line needs a prompt or a brief, this has {', '.join(row) or 'nothing'}")
    known = row.get("objects") is not None and "prompt" in row
    return Brief(str(row.get("task", "briefs")), text, row if known else None)


def _truth_of_geneval(row: JsonObject, path: Path) -> JsonObject:
    """GenEval's include and exclude: at least so many of a class, in a colour, at a place beside another one; and fewer
    than so many of it."""
    try:
        objects = [
            {"class": each["class"], "count": int(each["count"])}
            | ({"color": each["color"]} if "color" in each else {})
            for each in row["include"]
        ]
        relations = [
            [index, each["position"][0], int(each["position"][1])]
            for index, each in enumerate(row["include"])
            if each.get("position")
        ]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RunError(f"{path}: a line is not of GenEval's metadata: {row.get('prompt')}") from error
    exact = bool(row.get("exclude"))
    return {"objects": objects, "relations": relations, "absent": [], "exact": exact}


def faults_in(things: Sequence[Thing], truth: JsonObject) -> list[str]:
    """What of the truth a picture does not show: classes, numbers, colours and relations of box centres."""
    regions = [
        Region(name=f"{thing.subject} {number}", box=thing.box,
               prompt=LeveledPrompt(high_level=thing.subject, low_level=thing.colour))
        for number, thing in enumerate(things[:32], start=1)
    ]  # fmt: skip
    absent = ", ".join(truth.get("absent", []))  # that none is in the negative is no fault of a picture
    return wrong(ScenePlan(scene=LeveledPrompt(high_level="seen"), negative=absent, regions=regions), truth)
