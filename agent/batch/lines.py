"""The lines of a batch: a brief or a plan each, with options of its own, and the digest that names its result."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from ...prompts.errors import DitpipeError, RunError, one_line
from ...prompts.outside_json import MAX_JSON, parse_json
from ...prompts.plan import MAX_BRIEF, ScenePlan, StrictModel
from ...prompts.prompt_syntax import without_loras
from ..agent import Agent
from ..settings import UNRECORDED

# What a line may set for itself, by the names of `Settings`.
OPTIONS = (
    "size", "aspect", "plan_calls", "rounds", "candidates", "threshold", "seed", "steps", "guidance_scale", "solver",
    "prompt_schedule",
)  # fmt: skip
LONGEST_NAME = 200  # characters


class LineInput(StrictModel):
    """What is drawn for one line: a brief, or a plan, and the settings that are its own. key: 64 hex digits."""

    key: str
    brief: str = ""
    plan: ScenePlan | None = None
    options: dict[str, JsonValue] = {}


@dataclass(frozen=True)
class Line:
    """A line of the file, counted from 1. `key`: of its content alone if it is not valid; then `error` says why.
    `offset`: where in the file it begins, in bytes. `name`: its own, for the manifest."""

    number: int
    offset: int
    key: str
    name: str = ""
    error: str = ""


def read_lines(file: Path, agent: Agent) -> Iterator[Line]:
    """All lines but the empty ones. Raises RunError if the file cannot be read."""
    number, offset = 0, 0
    try:
        with file.open("rb") as source:
            while content := source.readline(MAX_JSON + 1):
                number, start, length = number + 1, offset, len(content)
                while len(content) > MAX_JSON and not content.endswith(b"\n"):  # the rest of a line that is too long
                    if not (content := source.readline(MAX_JSON + 1)):
                        break
                    length += len(content)
                offset += length
                if length > MAX_JSON:
                    error = f"{length:,} bytes are too many: at most {MAX_JSON:,} are read"
                    yield Line(number, start, hashlib.sha256(f"{number}".encode()).hexdigest(), error=error)
                elif content.strip():
                    yield _line(number, start, content, agent)
    except OSError as error:
        raise RunError(f"{file}: {error.strerror}") from error


def _line(number: int, offset: int, content: bytes, agent: Agent) -> Line:
    try:
        name, read = parse_line(content, agent)
        return Line(number, offset, read.key, name)
    except (ValueError, DitpipeError) as error:
        return Line(number, offset, hashlib.sha256(content.strip()).hexdigest(), error=one_line(error))


def load_line(file: Path, line: Line, agent: Agent) -> LineInput:
    """A valid line's content, read again. Raises RunError if the file has changed since."""
    try:
        with file.open("rb") as source:
            source.seek(line.offset)
            read = parse_line(source.readline(MAX_JSON + 1), agent)[1]
    except (OSError, ValueError, DitpipeError):
        read = None
    if read is None or read.key != line.key:
        raise RunError(f"{file} was changed while it was being drawn: run the command again")
    return read


def parse_line(content: bytes, agent: Agent) -> tuple[str, LineInput]:
    """Name and content of a line under an agent's settings: a JSON string is a brief, an object has a 'brief' or a
    'plan', or is a plan itself. Raises ValueError; RenderError for options that do not fit the model."""
    value = parse_json(content)
    if isinstance(value, str):
        value = {"brief": value}
    if not isinstance(value, dict):
        raise ValueError("a line is a brief in quotes, or an object with a 'brief' or a 'plan'")
    if "plan" not in value and "regions" in value:
        value = {"plan": value}
    brief, plan, name = value.pop("brief", ""), value.pop("plan", None), value.pop("name", "")
    if not isinstance(brief, str) or not isinstance(name, str):
        raise ValueError("'brief' and 'name' are texts")
    if len(brief) > MAX_BRIEF or len(name) > LONGEST_NAME:
        raise ValueError(f"a brief has at most {MAX_BRIEF:,} characters, a name {LONGEST_NAME}")
    if plan is None and not brief.strip():
        raise ValueError("it has neither a 'brief' nor a 'plan'")
    for unknown in value.keys() - set(OPTIONS):
        near = get_close_matches(unknown, OPTIONS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"one of brief, plan, name, {', '.join(OPTIONS)}"
        raise ValueError(f"{unknown[:40]!r} is not an option of a line: {hint}")
    scene = None if plan is None else ScenePlan.model_validate(plan)
    settings = agent.with_settings(**value).settings
    about = settings.model_dump(mode="json", exclude={*UNRECORDED, "approve", "base_url"})
    about["planner"] = "" if scene else agent.planner_name
    about |= {"brief": brief, "plan": scene and scene.model_dump(mode="json")}
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return name, LineInput(key=key, brief=brief, plan=scene, options=value)


def reuse_key(plan: ScenePlan, options: dict[str, Any]) -> tuple[str, ...]:
    """Lines whose keys are neighbours in sorted order share the most: size, sampling, LoRAs, then prompts."""
    texts = [plan.style, plan.negative, plan.scene.high_level, plan.scene.low_level]
    texts += [text for region in plan.regions for text in (region.prompt.text, region.negative)]
    loras = sorted({tag.name for text in texts for tag in without_loras(text)[1]})
    shape = {name: value for name, value in options.items() if name not in ("seed", "rounds", "threshold")}
    return (f"{plan.width}x{plan.height}", json.dumps(shape, sort_keys=True), " ".join(loras), *texts)
