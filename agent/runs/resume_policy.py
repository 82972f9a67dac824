"""Which settings apply when a run from an untrusted folder is resumed, and the command that resumes it."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...prompts.errors import RunError
from ...renderer.checkpoints.published_models import CONTROLNETS
from ...renderer.checkpoints.registry import checkpoint
from ...renderer.request import RenderRequest
from ...tools.api_schema import check_run
from ..settings import PERSONAL, UNRECORDED, Settings, settings_of, uses_endpoint
from .folder import RunRecord


def picture_settings(record: RunRecord) -> dict[str, Any]:
    """The settings of a record that only decide how its picture is made."""
    return {name: value for name, value in record.settings.items() if name not in (*PERSONAL, *UNRECORDED)}


def resume_settings(folder: Path, record: RunRecord, **given: Any) -> Settings:
    """The settings to resume a run with: the record's for the picture, the person's own for the rest.

    `given`: the `PERSONAL` ones given now. Raises RunError, with the command that accepts the record's, if the run was
    begun with others than the person's own; pydantic's ValidationError for an impossible setting.
    """
    not_given = [name for name in PERSONAL if given.get(name) is None]
    recorded = {name: record.settings.get(name, Settings.model_fields[name].default) for name in PERSONAL}
    differing = [name for name in not_given if recorded[name] != _own_setting(name)]
    if any(not str(recorded[name]).isprintable() for name in differing):
        raise RunError(f"{folder}: its record holds a {' or '.join(differing)} with characters that cannot be shown")
    chosen = recorded | {name: value for name, value in given.items() if value is not None}
    if differing == ["base_url"] and not uses_endpoint(str(chosen["planner"]), str(chosen["critic"])):
        differing = []  # nothing goes there
    if differing:
        differences = [f"{name} {_quoted(recorded[name])} (yours: {_quoted(_own_setting(name))})" for name in differing]
        options = {name: recorded[name] for name in differing} | {k: v for k, v in given.items() if v is not None}
        raise RunError(
            f"{folder} was begun with {', '.join(differences)}; this decides what is loaded and where its words, its "
            f"pictures and your key go. To agree: {_command(folder, options)}; or give your own with the same options"
        )
    return settings_of(**picture_settings(record), **given)


def run_work(settings: Settings) -> tuple[str, str]:
    """What a run under these settings may draw, in words; and why it is more than a server would draw, or ''."""
    steps, rounds, candidates = settings.steps or checkpoint(settings.model).steps, settings.rounds, settings.candidates
    pictures = [f" of {count} {noun}s" for count, noun in ((candidates, "candidate"), (rounds, "round")) if count > 1]
    size = f", {settings.size} pixels" if settings.size else ""
    message = f"at most {steps} steps{''.join(pictures)}{size}, with the model {settings.model}"
    try:
        check_run(steps=steps, rounds=rounds, candidates=candidates)
    except ValueError as error:
        return message, str(error)
    return message, ""


def foreign_controls(request: RenderRequest, agreed: Sequence[str] = ()) -> list[str]:
    """The ControlNets that a request names and that are neither published ones nor `agreed` to."""
    names = dict.fromkeys(control.model for control in request.controls)
    return [name for name in names if name not in (*agreed, *CONTROLNETS)]


def resume_command(folder: Path, settings: Settings) -> str:
    """The shell command that resumes a run begun under these settings."""
    chosen = {name: getattr(settings, name) for name in PERSONAL}
    command = _command(folder, {name: value for name, value in chosen.items() if value != _own_setting(name)})
    return f"{command} --large" if run_work(settings)[1] else command


def _command(folder: Path, options: dict[str, Any]) -> str:
    words = ["ditpipe", "resume", str(folder)]
    for name, value in options.items():
        words += ["--" + name.replace("_", "-"), str(value or "")]
    return shlex.join(words)


def _own_setting(name: str) -> Any:
    """The setting without an option: from the environment, else the default."""
    return os.environ.get(f"DITPIPE_{name.upper()}") or Settings.model_fields[name].default


def _quoted(value: Any) -> str:
    return repr(value) if value else "none"
