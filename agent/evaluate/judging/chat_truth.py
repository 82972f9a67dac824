"""Whether a message of the chat was understood rightly, by rules on the plan before and after it.

A line: {kind, plan, message, outcome, expect, before?, touched?, candidates?}. `outcome`: the command's kinds that are
right, by '|' ('ask': a question back). `expect`, for a change: has and lacks {name: [word]}, gone [name], new {subject:
count or [least, most]}, at {name: place}, beside [[name, relation, name]], near [[name, name]], between [[name, name,
name]], bigger and smaller [name], moved {name: direction}, swapped [[name, name]], visible [name], scene, scene_lacks
[word], redrawn [name] or 'all', format, either [expectation]. A name is that of a region of the plan, or the subject
of a new region; 'new:cat' is only the latter. Alternatives stand by '|'. Regions that are named nowhere keep their
prompts.
"""

import json
import math
import re
from typing import Any, Literal

from ....prompts.answers.chat_schema import Understanding
from ....prompts.errors import RunError
from ....prompts.plan import Box, Region, ScenePlan
from ....prompts.prompt_style import subject_of

Verdict = Literal["right", "asked back", "wrong"]
EXPECTATIONS = (
    "has", "lacks", "gone", "new", "at", "beside", "near", "between", "bigger", "smaller", "moved", "swapped",
    "visible", "scene", "scene_lacks", "redrawn", "format", "either",
)  # fmt: skip


def says(text: str, words: str) -> bool:
    """Whether a text has one of the words, alternatives by '|'; scripts without spaces are searched as they are."""
    return any(
        re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) if word.isascii() else word in text
        for word in words.split("|")
    )


def plural(words: str) -> str:
    """The words and their plurals by spelling."""
    forms = [form for word in words.split("|") for form in (word, f"{word}s", re.sub("y$", "ies", word))]
    return "|".join(forms)


class Outcome:
    """The plan before and after a message, and the questions that an expectation asks about them."""

    def __init__(self, before: ScenePlan, after: ScenePlan, *, fresh: bool) -> None:
        self.before = {region.name: region for region in before.regions}
        self.after = {region.name: region for region in after.regions}
        self.added = [region for region in after.regions if region.name not in self.before]
        self.sizes, self.fresh = ((before.width, before.height), (after.width, after.height)), fresh
        self.scene = " ".join((after.scene.high_level, after.scene.low_level, after.style))

    def new(self, subject: str) -> list[Region]:
        """The added regions that show a subject."""
        return [r for r in self.added if says(f"{r.name} {r.prompt.high_level}", plural(subject))]

    def region(self, name: str) -> Region:
        """A region by its name, or an added one by its subject. Raises KeyError."""
        if name in self.after:
            return self.after[name]
        found = self.new(name.removeprefix("new:"))
        if not found:
            raise KeyError(f"no {name}")
        return found[0]

    def faults(self, expect: dict[str, Any]) -> list[str]:
        """What does not hold, one line each."""
        try:
            faults = [fault for name, value in expect.items() for fault in self._faults_of(name, value)]
        except KeyError as error:
            return [str(error.args[0])]
        both = {name: value for name, value in expect.items() if name != "either"}
        return faults + min((self._untouched(both | option) for option in expect.get("either", [{}])), key=len)

    def _faults_of(self, name: str, value: Any) -> list[str]:
        """Raises RunError for an unknown expectation."""
        if name not in EXPECTATIONS:
            raise RunError(f"no expectation is called {name!r}: one of {', '.join(EXPECTATIONS)}")
        found: list[str] = getattr(self, f"_{name}")(value)
        return found

    def _untouched(self, expect: dict[str, Any]) -> list[str]:
        text = json.dumps(expect, ensure_ascii=False)
        named = {name for name in self.before if f'"{name}"' in text}
        others = [was for name, was in self.before.items() if name not in named]
        gone = [was.name for was in others if was.name not in self.after]
        changed = [was.name for was in others if was.name not in gone and not self._alike(was)]
        return [f"{name} is gone" for name in gone] + [f"{name} is not as before" for name in changed]

    def _alike(self, was: Region) -> bool:
        now = self.after[was.name]
        return now.prompt == was.prompt or says(now.prompt.text, was.prompt.low_level.split(",")[0])

    def _has(self, wanted: dict[str, list[str]]) -> list[str]:
        pairs = [(name, word) for name, words in wanted.items() for word in words]
        return [f"{n} is not {word}" for n, word in pairs if not says(self.region(n).prompt.text, word)]

    def _lacks(self, excluded: dict[str, list[str]]) -> list[str]:
        pairs = [(name, word) for name, words in excluded.items() for word in words]
        return [f"{n} is {word} yet" for n, word in pairs if says(self.region(n).prompt.text, word)]

    def _gone(self, names: list[str]) -> list[str]:
        return [f"{name} is there yet" for name in names if self._is_there(name)]

    def _is_there(self, name: str) -> bool:
        """Whether a region shows yet what it showed, wherever it stands now."""
        return name in self.after and subject_of(self.after[name]) == subject_of(self.before[name])

    def _new(self, counts: dict[str, int | list[int]]) -> list[str]:
        bounds = {s: (count, count) if isinstance(count, int) else (count[0], count[1]) for s, count in counts.items()}
        short = {s: len(self.new(s)) for s, bound in bounds.items() if not self._shows(s, *bound)}
        extra = len(self.added) - sum(most for _, most in bounds.values())
        return [f"{n} new {s}" for s, n in short.items()] + ([f"{extra} more is new"] if extra > 0 else [])

    def _shows(self, subject: str, least: int, most: int) -> bool:
        """That many regions, or a single region whose prompt says several."""
        found = self.new(subject)
        several = most > 1 and len(found) == 1 and not says(found[0].prompt.high_level, subject)
        return least <= len(found) <= most or several

    def _at(self, places: dict[str, str]) -> list[str]:
        return [f"{name} is not {place}" for name, place in places.items() if not is_at(self.region(name).box, place)]

    def _beside(self, rows: list[list[str]]) -> list[str]:
        return [" ".join(["not", *row]) for row in rows if not self._related(*row)]

    def _related(self, name: str, relation: str, other: str) -> bool:
        (x, y), (u, v) = self.region(name).box.centre, self.region(other).box.centre
        if relation == "behind":  # further up, or covered by it
            first, second = self.region(name), self.region(other)
            order = list(self.after)
            return y < v or (first.z_order, order.index(first.name)) < (second.z_order, order.index(second.name))
        return {"left of": x < u, "right of": x > u, "above": y < v, "below": y > v}[relation]

    def _near(self, rows: list[list[str]]) -> list[str]:
        return [f"{a} is far from {b}" for a, b in rows if gap(self.region(a).box, self.region(b).box) > 0.25]

    def _between(self, rows: list[list[str]]) -> list[str]:
        def is_between(*names: str) -> bool:
            (x, y), (u, v), (s, t) = (self.region(name).box.centre for name in names)
            return min(u, s) < x < max(u, s) or min(v, t) < y < max(v, t)

        return [f"{a} is not between {b} and {c}" for a, b, c in rows if not is_between(a, b, c)]

    def _bigger(self, names: list[str]) -> list[str]:
        return [f"{n} is not bigger" for n in names if not self._scale(n) > 1.1 and not says_size(self.after[n], "big")]

    def _smaller(self, names: list[str]) -> list[str]:
        return [f"{name} is not smaller" for name in names if not self._scale(name) < 0.9]

    def _scale(self, name: str) -> float:
        return self.region(name).box.area / self.before[name].box.area

    def _moved(self, ways: dict[str, str]) -> list[str]:
        def has_moved(name: str, way: str) -> bool:
            (x, y), (u, v) = self.before[name].box.centre, self.region(name).box.centre
            return {"left": u < x - 0.03, "right": u > x + 0.03, "up": v < y - 0.03, "down": v > y + 0.03}[way]

        return [f"{name} is not further {way}" for name, way in ways.items() if not has_moved(name, way)]

    def _swapped(self, pairs: list[list[str]]) -> list[str]:
        def is_nearer(name: str, other: str) -> bool:
            now = self.region(name).box
            return distance(now, self.before[other].box) < distance(now, self.before[name].box)

        return [f"{a} and {b} are where they were" for a, b in pairs if not (is_nearer(a, b) and is_nearer(b, a))]

    def _visible(self, names: list[str]) -> list[str]:
        return [f"{name} is hidden" for name in names if not self._seen_share(self.region(name)) > 0.25]

    def _seen_share(self, region: Region) -> float:
        order = list(self.after.values())
        over = [
            other for other in order
            if (other.z_order, order.index(other)) > (region.z_order, order.index(region))
        ]  # fmt: skip
        points = [
            (region.box.left + (region.box.right - region.box.left) * (i + 0.5) / 12,
             region.box.top + (region.box.bottom - region.box.top) * (j + 0.5) / 12)
            for i in range(12) for j in range(12)
        ]  # fmt: skip
        return sum(not any(holds_point(other.box, point) for other in over) for point in points) / len(points)

    def _scene(self, words: list[str]) -> list[str]:
        return [f"the scene does not say {word}" for word in words if not says(self.scene, word)]

    def _scene_lacks(self, words: list[str]) -> list[str]:
        return [f"the scene says {word} yet" for word in words if says(self.scene, word)]

    def _redrawn(self, names: list[str] | str) -> list[str]:
        if names == "all":
            return [] if self.fresh else ["not drawn anew"]
        same = [name for name in names if self.region(name).seed == self.before[name].seed and not self.fresh]
        return [f"{name} keeps its noise" for name in same]

    def _format(self, wanted: str) -> list[str]:
        (_, (width, height)) = self.sizes
        ratio = (width or 1) / (height or 1)
        right = {"wide": ratio > 1.4, "tall": ratio < 0.8, "square": ratio == 1 and self.sizes[0] != self.sizes[1]}
        return [] if right[wanted] else [f"the picture is not {wanted}"]

    def _either(self, options: list[dict[str, Any]]) -> list[str]:
        faults = [[f for name, value in option.items() for f in self._faults_of(name, value)] for option in options]
        return min(faults, key=len)


def is_at(box: Box, place: str) -> bool:
    """Whether the centre of a box lies at a place; 'center-x' is the middle of the width."""
    x, y = box.centre
    checks = {"left": x < 0.45, "right": x > 0.55, "top": y < 0.45, "bottom": y > 0.55, "center-x": 0.3 < x < 0.7}
    checks["center"] = 0.3 < x < 0.7 and 0.3 < y < 0.7
    return all(checks[word] for word in place.split())


def gap(box: Box, other: Box) -> float:
    """The distance between two boxes, as a share of the canvas; 0 if they touch."""
    across = max(0.0, box.left - other.right, other.left - box.right)
    return max(across, 0.0, box.top - other.bottom, other.top - box.bottom)


def distance(box: Box, other: Box) -> float:
    (x, y), (u, v) = box.centre, other.centre
    return math.hypot(x - u, y - v)


def holds_point(box: Box, point: tuple[float, float]) -> bool:
    return box.left <= point[0] < box.right and box.top <= point[1] < box.bottom


def says_size(region: Region, size: str) -> bool:
    """A region that fills the canvas cannot grow: its prompt may say that it is large."""
    return region.box.area > 0.9 and says(region.prompt.text, f"{size}|bigger|large|huge|giant")


def judge(row: dict[str, Any], plan: ScenePlan, result: Understanding) -> tuple[Verdict, list[str]]:
    """The verdict on what a message was understood as, and why it is not right."""
    outcome = "ask" if result.kind == "unclear" else result.kind
    if outcome not in row["outcome"].split("|"):
        verdict: Verdict = "asked back" if outcome == "ask" else "wrong"
        return verdict, [f"{outcome}: {result.reply or result.brief}"]
    expect = row.get("expect", {})
    if outcome == "change":
        faults = Outcome(plan, result.plan or plan, fresh=result.fresh).faults(expect)
    elif outcome == "new brief":
        faults = [f"the brief does not say {word}" for word in expect["brief"] if not says(result.brief, word)]
    else:
        given = {name: getattr(result, name) for name in ("steps", "number") if name in expect}
        faults = [f"{name} {value}" for name, value in given.items() if value != expect[name]]
    return ("wrong", faults) if faults else ("right", [])
