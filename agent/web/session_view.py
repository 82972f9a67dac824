"""What the page shows of a session, as plain JSON for page.js. Draws nothing."""

import json
from typing import Any
from urllib.parse import quote

from ...prompts.critique import Critique
from ..chat.history import steps_forward
from ..chat.replies import BRIEFS
from ..chat.session import Session
from ..chat.store import SessionRecord, Turn
from ..events import score_key
from .progress import Progress
from .user_context import UserContext

LISTED = 50  # sessions in the list, the latest ones
SKETCHES = (
    ("#28305a", (("#e4604f", 10, 32, 36, 40), ("#5b8def", 56, 24, 32, 52))),
    ("#f2a272", (("#f6d34a", 38, 19, 24, 24), ("#8a63c9", 26, 48, 48, 34))),
    ("#a9d7a0", (("#3f9a5d", 10, 46, 36, 32), ("#ee8fb4", 56, 24, 34, 54))),
)  # of BRIEFS


def examples() -> list[dict[str, Any]]:
    """Briefs for an empty page, each with a sketch: boxes as [colour, x, y, width, height] in percent."""
    return [
        {"brief": brief, "ground": ground, "boxes": boxes}
        for brief, (ground, boxes) in zip(BRIEFS, SKETCHES, strict=True)
    ]


def page_state(context: UserContext, session_id: str) -> dict[str, Any]:
    """All that a window at this session shows; the event stream sends the parts that changed."""
    session = context.find(session_id)
    progress = context.turns.progress(session.id) if session else None
    return {
        "unknown": bool(session_id) and session is None,
        "session": session_state(session, progress) if session else None,
        "busy": busy_state(session, progress) if session else None,
        "messages": messages(session, progress) if session else [],
        "problem": context.turns.problem(session.id) if session else "",
        "sessions": session_list(context.sessions.list(), session),
    }


def session_state(session: Session, progress: Progress | None = None) -> dict[str, Any]:
    """The plan, the picture and the history of a session."""
    turns, head, waiting = session.turns, session.head, session.waiting
    busy = progress is not None or session.busy
    current = next((turn for turn in reversed(turns) if turn.status == "pending" and turn.plan), None) if busy else None
    about = current or waiting or head
    # A new brief, or a plan that is drawn as a whole, has no picture until its first preview comes.
    pictured = head if not waiting and (current is None or current.base) else None
    plan = about.plan if about else None
    return {
        "id": session.id,
        "title": session.title,
        "stamp": f"{session.id}/{about.number if about else 0}/{about.status if about else ''}",
        "plan": json.loads(plan.model_dump_json()) if plan else None,
        "picture": _picture(session, pictured) if pictured else None,
        "alt": f"The picture: {plan.scene.high_level}" if plan else "",
        "scores": _scores(head.critique) if head and about is head else [],
        "waiting": waiting is not None and current is None,
        "suggestions": list(session.suggestions) if turns and not busy else [],
        "film": [frame for turn in turns if turn.picture for frame in _frames(session, turn, head)],
        "candidates": _candidates(session, head) if head and about is head else [],
        "can": {"undo": len(session.states) > 1 or waiting is not None, "redo": _can_redo(turns, head)},
        "saves": {kind: f"./ditpipe/save/{session.id}.{kind}" for kind in ("png", "zip")},
    }


def busy_state(session: Session, progress: Progress | None) -> dict[str, Any] | None:
    """The running turn; None if none runs, neither here nor in another process."""
    if progress is None:
        text = "Another window is drawing here …"
        return {"text": text, "done": 0, "total": 0, "elsewhere": True} if session.busy else None
    busy = {"text": progress.text, "done": progress.done, "total": progress.total, "stoppable": progress.stoppable}
    if progress.preview:
        busy["preview"] = f"./ditpipe/preview/{session.id}?{progress.previews}"
    return busy


def messages(session: Session, progress: Progress | None = None) -> list[dict[str, str]]:
    """The transcript, and the messages that were sent and that no turn records yet."""
    texts, turns = list[dict[str, str]](), session.turns
    for turn in turns:
        texts.append({"role": "user", "text": turn.message})
        if turn.reply:
            texts.append({"role": "assistant", "text": turn.reply})
    recorded = sum(turn.job == progress.job for turn in turns) if progress and progress.job else 0
    in_flight = progress.messages[recorded:] if progress else ()
    return [*texts, *({"role": "user", "text": text} for text in in_flight if text)]


def session_list(records: list[SessionRecord], session: Session | None) -> list[dict[str, Any]]:
    """The earlier pictures, the latest first."""
    begun = [record for record in records if record.turns][:LISTED]
    return [
        {
            "id": record.id, "title": record.title or "not begun", "updated": record.updated,
            "current": session is not None and record.id == session.id,
            "thumbnail": f"./ditpipe/thumbnail/{record.id}?{record.updated:.0f}",
        }
        for record in begun
    ]  # fmt: skip


def _picture(session: Session, turn: Turn) -> str | None:
    """The address of the picture that a turn shows; it changes with the chosen candidate."""
    return _address(session, turn.picture) if turn.picture else None


def _address(session: Session, file: str) -> str:
    return f"./ditpipe/picture/{session.id}/{quote(file)}"


def _scores(critique: Critique | None) -> list[dict[str, Any]]:
    return [score.model_dump() for score in critique.regions] if critique else []


def _frames(session: Session, turn: Turn, head: Turn | None) -> list[dict[str, Any]]:
    """A turn in the film: its earlier tries, which can only be looked at, and the picture it came to."""
    current = head is not None and turn.number == head.number
    best = max(turn.rounds, key=lambda shot: score_key(shot.critique), default=None)
    if turn.round is not None:
        best = turn.rounds[turn.round - 1] if turn.round else None
    frames = [
        {
            "picture": _address(session, shot.picture), "caption": f"try {number}", "round": number,
            "scores": _scores(shot.critique), "label": f"Look at try {number} of: {turn.message}",
        }
        for number, shot in enumerate(turn.rounds, start=1)
        if shot is not best
    ]  # fmt: skip
    caption = turn.brief if turn.kind == "accept" else turn.message  # not only 'yes'
    last = {
        "number": turn.number, "picture": _picture(session, turn), "caption": caption, "current": current,
        "scores": _scores(turn.critique), "label": f"Show the picture after: {caption}",
    }  # fmt: skip
    return [*frames, last]


def _candidates(session: Session, turn: Turn) -> list[dict[str, Any]]:
    if len(turn.candidates) < 2:
        return []
    best = max(turn.candidates, key=lambda shot: score_key(shot.critique))
    copied = turn.kind != "choose" and turn.round != 0  # a drawn turn's own picture is a copy of its best
    current = best.picture if copied else turn.picture
    return [
        {
            "number": number, "picture": _address(session, shot.picture), "caption": f"version {number}",
            "scores": _scores(shot.critique), "current": shot.picture == current,
        }
        for number, shot in enumerate(turn.candidates, start=1)
    ]  # fmt: skip


def _can_redo(turns: list[Turn], head: Turn | None) -> bool:
    try:
        return head is not None and steps_forward(turns, head.number, 1) > 0
    except ValueError:
        return False
