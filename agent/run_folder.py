"""The folder of one run on disk: its record, from which it goes on after a kill, and its log of events."""

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..prompts.errors import RunError
from ..prompts.outside_json import parse_json
from ..prompts.scene import ScenePlan
from ..renderer.picture import write
from .rounds import Critiqued, Event, Finished, Planned, Rendered, Revised, Waiting
from .settings import Settings


class RunRecord(BaseModel):
    """What a run begins with. `base`: the picture that it changes; `settings`: those of `Settings`, keys left out."""

    brief: str
    settings: dict[str, Any]
    plan: ScenePlan | None = None
    base: Path | None = None


def write_record(
    folder: Path, brief: str, settings: Settings, *, plan: ScenePlan | None = None, base: Path | None = None
) -> None:
    """Keeps what a run begins with in run.json, keys left out. Raises RunError."""
    kept = settings.model_dump(mode="json", exclude={"api_key"})
    record = RunRecord(brief=brief, settings=kept, plan=plan, base=base and base.resolve())
    write(folder / "run.json", record.model_dump_json(indent=2, exclude_none=True).encode())


def run_record(folder: Path) -> RunRecord:
    """What a run folder's run began with. Raises RunError if it is none."""
    try:
        return RunRecord.model_validate(parse_json((folder / "run.json").read_bytes()))
    except (OSError, ValueError) as error:
        raise RunError(f"{folder}: not a run folder (no readable run.json in it)") from error


def new_folder(out: Path) -> Path:
    """A fresh folder named by the time. Raises RunError if it cannot be made."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        folder = out / (stamp if not attempt else f"{stamp}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            if not out.is_dir():
                raise RunError(f"cannot write to {out}: it is not a folder") from error
            continue
        except OSError as error:
            raise RunError(f"cannot write to {out}: {error.strerror}") from error
        return folder
    raise RunError(f"{out}: too many runs in one second")


_NOTES: dict[type, Callable[[Any], dict[str, Any]]] = {
    Planned: lambda e: {"plan": e.plan.model_dump()},
    Waiting: lambda e: {"plan": e.plan.model_dump()},
    Rendered: lambda e: {"round": e.round, "path": str(e.path), "seconds": round(e.seconds, 3), "warnings": e.warnings},
    Critiqued: lambda e: {"round": e.round, "critique": e.critique.model_dump()},
    Revised: lambda e: {"round": e.round, "revision": e.revision.model_dump(exclude_none=True)},
    Finished: lambda e: {"best": e.painting.best.number, "path": str(e.painting.path)},
}


def note(folder: Path, event: Event) -> None:
    """Appends an event to events.jsonl (steps are progress, not history)."""
    told = _NOTES.get(type(event))
    if not told:
        return
    row = {"event": type(event).__name__.lower(), "time": datetime.now().isoformat(timespec="seconds")} | told(event)
    try:
        with (folder / "events.jsonl").open("a") as out:
            out.write(json.dumps(row) + os.linesep)
    except OSError as error:
        raise RunError(f"cannot write {folder / 'events.jsonl'}: {error.strerror}") from error
