"""Copies of a session: a branch to go on from, and a zip with plan, pictures and transcript."""

import json
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path

from ...prompts.errors import RunError
from ...renderer.pictures.file_ref import path_inside
from .store import SessionRecord, Turn
from .stored_session import StoredSession


def copy_session(session: StoredSession, number: int | None, title: str) -> SessionRecord:
    """A new session with a copy of the turns up to `number` (None: all) and of their files. Raises ValueError."""
    turns = session.turns
    if number is not None and number not in [turn.number for turn in turns]:
        raise ValueError(f"there is no turn {number}: the session has {len(turns)}")
    copied = [_settled(turn) for turn in turns if number is None or turn.number <= number]
    record = session.store.create(title or f"{session.title} (branch)")
    try:
        pictures = {Path(turn.picture).parts[0] for turn in copied if turn.picture}  # some turns only have a picture
        for folder in {turn.folder for turn in copied if turn.folder} | pictures:
            if (source := session.path(folder)).exists():  # links stay links: they may point outside the session
                shutil.copytree(source, path_inside(session.store.folder / record.id, folder), symlinks=True)
    except OSError as error:
        raise RunError(f"cannot copy the pictures of {session.id}: {error}") from error
    return session.store.fill(record.id, copied)


def _settled(turn: Turn) -> Turn:
    """A turn as a copy has it: an unfinished one counts as stopped, since only the original can finish it."""
    return turn.model_copy(update={"status": "stopped"}) if turn.status in ("pending", "waiting") else turn


def write_zip(session: StoredSession, path: Path) -> Path:
    """Writes plan, pictures and transcript to a zip file. Raises RunError if it cannot."""
    turns, plan, picture = session.turns, session.plan, session.picture_path
    draft = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as out:
            if plan:
                out.writestr("plan.json", plan.model_dump_json(indent=2))
            if picture:
                out.write(_file(picture), "picture.png")
            for turn in turns:
                if turn.picture:
                    out.write(_file(session.path(turn.picture)), f"pictures/turn-{turn.number}.png")
            out.writestr("transcript.md", transcript(session.title, turns))
            about = session.store.record(session.id).model_dump()
            listed = [turn.model_dump(mode="json", exclude_none=True) for turn in turns]
            out.writestr("session.json", json.dumps({"session": about, "turns": listed}, indent=2))
        draft.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return path


def _file(path: Path) -> Path:
    """The path itself. Raises RunError if there is no file: a pipe or a device in another's folder has no end."""
    if not path.is_file():
        raise RunError(f"cannot read {path}: it is not a file")
    return path


def transcript(title: str, turns: list[Turn]) -> str:
    """The conversation as Markdown, its pictures under pictures/."""
    lines = [f"# {title or 'A conversation'}", ""]
    for turn in turns:
        lines += [f"**You:** {turn.message}", "", f"**ditpipe:** {turn.reply or turn.status}", ""]
        if turn.picture:
            lines += [f"![picture {turn.number}](pictures/turn-{turn.number}.png)", ""]
    return "\n".join(lines)
