"""LoRAs and wildcard lists that prompts name: folders, and a request in which they are filled in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from random import Random
from typing import Any

from platformdirs import user_data_path

from ...prompts.errors import RunError
from ...prompts.plan import MAX_PROMPT, LeveledPrompt, ScenePlan
from ...prompts.prompt_syntax import LoraTag, chosen, plain_text, without_loras
from ...prompts.revision import Revision
from ..pictures.file_ref import FileRef
from ..request import Lora, RenderRequest

MOST_FILES = 10_000  # that are looked through in a folder
MOST_LIST = 2**20  # bytes of a wildcard list
MOST_LORAS = 16
SCALE = 4.0  # the largest of a LoRA


@dataclass(frozen=True)
class PromptFiles:
    """Two folders of this machine: LoRAs by the names of their files, and lists, one choice a line, in .txt files."""

    loras: Path
    wildcards: Path

    @classmethod
    def usual(cls, loras: Path | None = None, wildcards: Path | None = None) -> PromptFiles:
        """The given folders, else those that DITPIPE_LORAS and DITPIPE_WILDCARDS name, else in the user's data."""
        data = user_data_path("ditpipe")
        return cls(
            Path(loras or os.environ.get("DITPIPE_LORAS") or data / "loras").expanduser(),
            Path(wildcards or os.environ.get("DITPIPE_WILDCARDS") or data / "wildcards").expanduser(),
        )

    def lora(self, name: str) -> Path | None:
        """The file of a LoRA: 'style' or 'folder/style', with or without suffix, in any case; None without one."""
        wanted = name.replace("\\", "/").casefold().removesuffix(".safetensors")
        return next((path for called, path in _files(self.loras, ".safetensors")
                     if wanted in (called, called.rpartition("/")[2])), None)  # fmt: skip

    def wildcard(self, name: str) -> list[str] | None:
        """The lines of a list; of all lists that a name with * stands for. Lines that begin with # are comments."""
        pattern = Path(name.casefold().strip("/") or "-")
        paths = [path for called, path in _files(self.wildcards, ".txt") if Path(called).match(str(pattern))]
        lines = [line.strip() for path in paths for line in _read(path).splitlines()]
        return [line for line in lines if line and not line.startswith("#")] or None


def _files(folder: Path, suffix: str) -> Iterator[tuple[str, Path]]:
    """Name without suffix, relative to the folder, and path of each file in it."""
    for count, path in enumerate(sorted(folder.rglob("*")) if folder.is_dir() else ()):
        if count >= MOST_FILES:
            return
        if path.suffix.casefold() == suffix and path.is_file():
            yield path.relative_to(folder).with_suffix("").as_posix().casefold(), path


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_LIST).decode("utf-8", "replace")
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from error


def filled_in(request: RenderRequest, files: PromptFiles) -> RenderRequest:
    """The request with choices and wildcards of its prompts taken by its seed, and LoRA tags as its LoRAs.

    A tag in a region's prompt acts in that region, one in the scene's in the whole picture. Names that are not there
    are notes of the plan. A request without such syntax is returned as it is.
    """
    random, notes = Random(request.seed), list[str]()
    fill = _filler(random, files, notes)
    loras = list(request.loras)

    def add(tags: list[LoraTag], region: str | None) -> None:
        notes.extend(_unread(tags))
        for tag in tags:
            path = files.lora(tag.name)
            scale = min(SCALE, max(-SCALE, tag.scale))
            if path is None:
                notes.append(_missing(tag.name, files))
            elif len(loras) < MOST_LORAS:
                lora = Lora(file=FileRef.of(path), scale=scale, region=region)
                loras.extend([lora] if lora not in loras else [])
            if path is not None and (scale != tag.scale or lora not in loras):
                notes.append(f"<lora:{tag.name}:{tag.scale:g}> acts with {scale:g} at most, among {MOST_LORAS} LoRAs")

    plan, tags = _filled_plan(request.plan, fill)
    for region, tag_list in tags:
        add(tag_list, region)
    edits = [_filled_revision(revision, fill, notes) for revision in request.edits]
    if plan == request.plan and edits == request.edits:
        return request
    filled = {"plan": plan.with_notes(notes), "loras": loras, "edits": edits}
    return RenderRequest.model_validate({**dict(request), **filled})


def filled_in_brief(brief: str, seed: int, files: PromptFiles) -> tuple[str, list[LoraTag], list[str]]:
    """A brief for a planner: choices and wildcards taken, without its LoRA tags; those, and notes."""
    text, notes = chosen(brief, Random(seed), files.wildcard)
    words, tags = without_loras(text)
    if (plain := plain_text(words)) != words:
        notes.append("weights in a brief do not act: write them in the prompts of a plan")
    return plain, tags, [*notes, *_unread(tags)]


def with_tags(plan: ScenePlan, tags: Sequence[LoraTag]) -> ScenePlan:
    """The plan with LoRA tags in its scene prompt, as far as it has room."""
    texts = [f"<lora:{tag.name}:{tag.scale:g}>" for tag in tags]
    high = " ".join([plan.scene.high_level, *texts]).strip()
    if not texts or len(high) > MAX_PROMPT:
        return plan.with_notes(["there is no room for the brief's LoRA tags in the scene prompt"] if texts else [])
    scene = LeveledPrompt(high_level=high, low_level=plan.scene.low_level)
    return plan.model_copy(update={"scene": scene})


def _filler(random: Random, files: PromptFiles, notes: list[str]) -> Callable[[str], tuple[str, list[LoraTag]]]:
    def fill(text: str) -> tuple[str, list[LoraTag]]:
        if not text:
            return text, []
        taken, new = chosen(text, random, files.wildcard)
        notes.extend(f"{note} of {files.wildcards}" for note in new)
        words, tags = without_loras(taken)
        if len(words) > MAX_PROMPT:
            notes.append(f"a prompt with its wildcards is cut at {MAX_PROMPT} characters: {words[:30]!r} …")
        return words[:MAX_PROMPT], tags

    return fill


Fill = Callable[[str], tuple[str, list[LoraTag]]]


def _filled_plan(plan: ScenePlan, fill: Fill) -> tuple[ScenePlan, list[tuple[str | None, list[LoraTag]]]]:
    """The plan's texts filled in, and the tags of the picture and of each region."""
    scene, tags = _filled_prompt(plan.scene, fill)
    negative, unused = fill(plan.negative)
    style, of_style = fill(plan.style)
    found: list[tuple[str | None, list[LoraTag]]] = [(None, [*tags, *of_style, *unused])]
    regions = []
    for region in plan.regions:
        prompt, own = _filled_prompt(region.prompt, fill)
        without, more = fill(region.negative)
        found.append((region.name, [*own, *more]))
        regions.append(region.model_copy(update={"prompt": prompt, "negative": without}))
    changed = {"scene": scene, "negative": negative, "style": style, "regions": regions}
    return plan.model_copy(update=changed), found


def _filled_prompt(prompt: LeveledPrompt, fill: Fill) -> tuple[LeveledPrompt, list[LoraTag]]:
    (high, tags), (low, more) = fill(prompt.high_level), fill(prompt.low_level)
    return LeveledPrompt(high_level=high, low_level=low), [*tags, *more]


def _filled_revision(revision: Revision, fill: Fill, notes: list[str]) -> Revision:
    """The texts of an edit filled in. Its LoRA tags are noted: an edit is drawn with the picture's LoRAs."""
    tags: list[LoraTag] = []

    def prompt_of(prompt: LeveledPrompt | None) -> LeveledPrompt | None:
        if prompt is None:
            return None
        filled, more = _filled_prompt(prompt, fill)
        tags.extend(more)
        return filled

    changes = [change.model_copy(update={"prompt": prompt_of(change.prompt)}) for change in revision.changes]
    added = [region.model_copy(update={"prompt": prompt_of(region.prompt)}) for region in revision.added]
    update: dict[str, Any] = {"changes": changes, "added": added, "scene": prompt_of(revision.scene)}
    if tags:
        notes.append(f"an edit is drawn with the picture's LoRAs: {', '.join(repr(tag.name) for tag in tags)} left out")
    return revision.model_copy(update=update)


def _unread(tags: Sequence[LoraTag]) -> list[str]:
    return [
        f"<lora:{tag.name}:{tag.scale:g}:{tag.unread}>: the second number, a scale for text encoders, is not read"
        for tag in tags if tag.unread
    ]  # fmt: skip


def _missing(name: str, files: PromptFiles) -> str:
    """The note on a LoRA that is not there, with the name that is nearest to it."""
    near = get_close_matches(name.casefold(), [called for called, _ in _files(files.loras, ".safetensors")], 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"there is no LoRA {name!r} in {files.loras}: drawn without it{hint}"
