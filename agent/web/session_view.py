"""What the page shows of a session, as plain JSON for studio.js and as messages for the chat. Draws nothing."""

import json
from typing import Any
from urllib.parse import quote

from ...prompts.critique import Critique
from ..chat.history import steps_forward
from ..chat.session import Session
from ..chat.store import SessionRecord, Turn
from ..events import score_key
from .turn_worker import Progress

EARLIER = 50  # sessions in the list, the latest ones
EXAMPLES = (
    ("a red cat on the left and a blue rocket on the right, at night", "#28305a",
     (("#e4604f", 10, 32, 36, 40), ("#5b8def", 56, 24, 32, 52))),
    ("a yellow star above a purple castle, at sunset", "#f2a272",
     (("#f6d34a", 38, 19, 24, 24), ("#8a63c9", 26, 48, 48, 34))),
    ("a green turtle on the left and a pink house on the right, on the grass", "#a9d7a0",
     (("#3f9a5d", 10, 46, 36, 32), ("#ee8fb4", 56, 24, 34, 54))),
)  # fmt: skip


def _sketch(ground: str, boxes: tuple[tuple[str, int, int, int, int], ...]) -> str:
    """A layout as a small SVG drawing."""
    parts = [f'<rect width="100" height="100" fill="{ground}"/>']
    parts += [
        f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="7" fill="{fill}"/>' for fill, x, y, w, h in boxes
    ]
    return f'<svg viewBox="0 0 100 100" preserveAspectRatio="xMidYMid slice" aria-hidden="true">{"".join(parts)}</svg>'


def studio_value(session: Session | None, progress: Progress | None, draws: str = "") -> dict[str, Any]:
    """The value that studio.js paints; see its `take`. `draws`: what can be drawn, for the empty page; empty if there
    is no list."""
    if session is None:
        examples = [{"brief": brief, "sketch": _sketch(ground, boxes)} for brief, ground, boxes in EXAMPLES]
        return {"session": "", "stamp": "", "examples": examples, "draws": draws}
    turns, head, waiting = session.turns, session.head, session.waiting
    busy = _busy(session, progress)
    now = next((turn for turn in reversed(turns) if turn.status == "pending" and turn.plan), None) if busy else None
    about = now or waiting or head
    # A new brief, or a plan that is drawn as a whole, has no picture until its first preview comes.
    pictured = head if not waiting and (now is None or now.base) else None
    plan = about.plan if about else None
    return {
        "session": session.id,
        "title": session.title,
        "stamp": f"{session.id}/{about.number if about else 0}/{about.status if about else ''}",
        "plan": json.loads(plan.model_dump_json()) if plan else None,
        "picture": _picture(session, pictured) if pictured else None,
        "alt": f"The picture: {plan.scene.high_level}" if plan else "",
        "scores": _scores(head.critique) if head and about is head else [],
        "waiting": waiting is not None and now is None,
        "busy": busy,
        "film": [frame for turn in turns if turn.picture for frame in _frames(session, turn, head)],
        "candidates": _candidates(session, head) if head and about is head else [],
        "can": {"undo": len(session.states) > 1 or waiting is not None, "redo": _can_redo(turns, head)},
        "saves": {kind: f"./ditpipe/save/{session.id}.{kind}" for kind in ("png", "zip")},
    }


def chat_messages(session: Session | None) -> list[dict[str, str]]:
    """The transcript in the form of Gradio's Chatbot."""
    said = []
    for turn in session.turns if session else []:
        said.append({"role": "user", "content": turn.message})
        if turn.reply:
            said.append({"role": "assistant", "content": turn.reply})
    return said


def bar_value(records: list[SessionRecord], session: Session | None) -> list[dict[str, Any]]:
    """The earlier pictures, for bar.js."""
    shown = [one for one in records if one.turns][:EARLIER]
    here = session.id if session else ""
    return [
        {"id": one.id, "title": one.title or "not begun", "updated": one.updated, "current": one.id == here}
        for one in shown
    ]


def _picture(session: Session, turn: Turn) -> str | None:
    """The address of the picture that a turn shows; it changes with the chosen candidate."""
    return _address(session, turn.picture) if turn.picture else None


def _address(session: Session, file: str) -> str:
    return f"./ditpipe/picture/{session.id}/{quote(file)}"


def _busy(session: Session, progress: Progress | None) -> dict[str, Any] | None:
    if progress is None:
        return {"text": "Another window is drawing here …", "done": 0, "total": 0} if session.busy else None
    busy = {"text": progress.text, "done": progress.done, "total": progress.total, "stoppable": progress.stoppable}
    if progress.preview:
        busy["preview"] = f"./ditpipe/preview/{session.id}?{progress.previews}"
    return busy


def _scores(critique: Critique | None) -> list[dict[str, Any]]:
    return [one.model_dump() for one in critique.regions] if critique else []


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
    said = turn.brief if turn.kind == "accept" else turn.message  # not only 'yes'
    last = {
        "number": turn.number, "picture": _picture(session, turn), "caption": said, "current": current,
        "scores": _scores(turn.critique), "label": f"Show the picture after: {said}",
    }  # fmt: skip
    return [*frames, last]


def _candidates(session: Session, turn: Turn) -> list[dict[str, Any]]:
    if len(turn.candidates) < 2:
        return []
    best = max(turn.candidates, key=lambda shot: score_key(shot.critique))
    copied = turn.kind != "choose" and turn.round != 0  # a drawn turn's own picture is a copy of its best
    shown = best.picture if copied else turn.picture
    return [
        {
            "number": number, "picture": _address(session, one.picture), "caption": f"version {number}",
            "scores": _scores(one.critique), "current": one.picture == shown,
        }
        for number, one in enumerate(turn.candidates, start=1)
    ]  # fmt: skip


def _can_redo(turns: list[Turn], head: Turn | None) -> bool:
    try:
        return head is not None and steps_forward(turns, head.number, 1) > 0
    except ValueError:
        return False
