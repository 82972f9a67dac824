"""Going on with a run whose folder may be a stranger's: what of its record counts, and the command that does it."""

import os
import shlex
from pathlib import Path
from typing import Any

from ...prompts.errors import RunError
from ..settings import Settings, settings_of
from .folder import RunRecord

# They decide what is loaded and where words, pictures and keys go: only the person who resumes a run chooses them.
PERSONAL = ("model", "planner", "critic", "base_url")
UNRECORDED = ("api_key", "out", "sessions")


def picture_settings(record: RunRecord) -> dict[str, Any]:
    """The settings of a record that decide how its picture is made, and nothing else."""
    return {name: value for name, value in record.settings.items() if name not in (*PERSONAL, *UNRECORDED)}


def resume_settings(folder: Path, record: RunRecord, **given: str | None) -> Settings:
    """The settings under which a person goes on with a run: the record's for the picture, their own for the rest.

    `given`: those of `PERSONAL` that they gave now. Raises RunError, with the command that agrees to them, if the run
    was begun with others than their own; pydantic's ValidationError for an impossible setting.
    """
    unsaid = [name for name in PERSONAL if given.get(name) is None]
    recorded = {name: record.settings.get(name, Settings.model_fields[name].default) for name in PERSONAL}
    differing = [name for name in unsaid if recorded[name] != _own(name)]
    if any(not str(recorded[name]).isprintable() for name in differing):
        raise RunError(f"{folder}: its record holds a {' or '.join(differing)} with characters that cannot be shown")
    if differing:
        each = [f"{name} {_shown(recorded[name])} (yours: {_shown(_own(name))})" for name in differing]
        agreed = {name: recorded[name] for name in differing} | {k: v for k, v in given.items() if v is not None}
        raise RunError(
            f"{folder} was begun with {', '.join(each)}; this decides what is loaded and where its words, its pictures "
            f"and your key go. To agree: {_command(folder, agreed)}; or give your own with the same options"
        )
    return settings_of(**picture_settings(record), **given)


def resume_command(folder: Path, settings: Settings) -> str:
    """What a person types to go on with a run that was begun under these settings."""
    chosen = {name: getattr(settings, name) for name in PERSONAL}
    return _command(folder, {name: value for name, value in chosen.items() if value != _own(name)})


def _command(folder: Path, options: dict[str, Any]) -> str:
    words = ["ditpipe", "resume", str(folder)]
    for name, value in options.items():
        words += ["--" + name.replace("_", "-"), str(value or "")]
    return shlex.join(words)


def _own(name: str) -> Any:
    """A person's own setting, where they give no option: of the environment, else the default."""
    return os.environ.get(f"DITPIPE_{name.upper()}") or Settings.model_fields[name].default


def _shown(value: Any) -> str:
    return repr(value) if value else "none"
