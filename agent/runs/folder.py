"""The folder of one run on disk: its record, from which it goes on after a kill, and its log of events."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

from filelock import FileLock, Timeout
from pydantic import BaseModel, field_validator

from ...prompts.critique import Critique
from ...prompts.errors import RunError
from ...prompts.outside_json import parse_json, read_bounded
from ...prompts.plan import ScenePlan
from ...renderer.pictures.artifacts import write
from ..events import Event, Finished, Stepped
from ..settings import RENAMED, UNRECORDED, Settings

RECORD = "run.json"


class RunRecord(BaseModel):
    """The inputs of a run. `settings`: its `Settings`, without the key and the folders of the person who began it.

    `base`: the picture that the run edits; `judged`: the critique of that picture; `tried`: plans drawn into it before
    and rejected.
    """

    brief: str
    settings: dict[str, Any]
    plan: ScenePlan | None = None
    base: Path | None = None
    judged: Critique | None = None
    tried: list[ScenePlan] = []

    @field_validator("settings")
    @classmethod
    def _renames(cls, settings: dict[str, Any]) -> dict[str, Any]:
        return {RENAMED.get(name, name): value for name, value in settings.items()}


class RunInputs(TypedDict, total=False):
    """What a run may begin with beside its brief; see `Agent.stream`."""

    plan: ScenePlan | None
    base: Path | None
    judged: Critique | None
    tried: Sequence[ScenePlan]


def record_of(brief: str, settings: Settings, **inputs: Unpack[RunInputs]) -> RunRecord:
    """The record of a run that begins now."""
    recorded = settings.model_dump(mode="json", exclude=set(UNRECORDED))
    recorded["seed"] = settings.picture_seed()
    if base := inputs.get("base"):
        inputs["base"] = base.resolve()
    return RunRecord.model_validate({"brief": brief, "settings": recorded} | inputs)


def write_record(folder: Path, record: RunRecord) -> None:
    """Writes the record to run.json. Raises RunError."""
    write(folder / RECORD, record.model_dump_json(indent=2).encode())


def run_record(folder: Path) -> RunRecord:
    """Reads run.json. Raises RunError if the folder has none."""
    for name in (RECORD, f"{RECORD}.part"):  # a process that was killed may have written all of it under this name
        with suppress(OSError, ValueError):
            return RunRecord.model_validate(parse_json(read_bounded(folder / name)))
    raise RunError(f"{folder}: not a run folder (no readable {RECORD} in it)")


def new_folder(out: Path, record: RunRecord) -> Path:
    """A fresh folder named by the time, with its record in it from the first moment. Raises RunError."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    draft = out / f".{stamp}-{secrets.token_hex(4)}"
    try:
        draft.mkdir(parents=True)
        write_record(draft, record)
        for attempt in range(1000):
            folder = out / (stamp if not attempt else f"{stamp}-{attempt}")
            try:
                return draft.rename(folder)
            except OSError:
                if not folder.exists():  # else another run has that name
                    raise
        raise RunError(f"{out}: too many runs in one second")
    except OSError as error:
        why = error.strerror if out.is_dir() or not out.exists() else "it is not a folder"
        raise RunError(f"cannot write to {out}: {why}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_links(folder: Path) -> None:
    """Raises RunError for a symbolic link in the folder: a run makes none, and it could lead out of the folder."""
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent) / name for name in (*folders, *files)):
            if path.is_symlink():
                raise RunError(f"{path} is a link, which may lead out of its folder; no run makes any: remove it")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within it nobody else draws in the folder: two processes would each overwrite what the other reports. Raises
    RunError."""
    lock = FileLock(folder / "run.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunError(f"{folder}: this run is being drawn already") from error
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def log_event(folder: Path, event: Event) -> None:
    """Appends an event to events.jsonl (steps are progress, not history)."""
    if isinstance(event, Stepped):
        return
    fields = event.as_json()
    if isinstance(event, Finished):  # its rounds are in the folder
        fields = event.public_json() | {"path": str(event.painting.path)}
    row = {"event": event.name(), "time": datetime.now().isoformat(timespec="seconds")} | fields
    try:
        with (folder / "events.jsonl").open("a") as out:
            out.write(json.dumps(row) + os.linesep)
    except OSError as error:
        raise RunError(f"cannot write {folder / 'events.jsonl'}: {error.strerror}") from error
