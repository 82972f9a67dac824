"""What the page shows of a session, as plain JSON for studio.js and as messages for the chat. Draws nothing."""

import json
from typing import Any
from urllib.parse import quote

from ...prompts.scene import Critique
from ..conversation import Session
from ..sessions import SessionRecord, Turn
from .desk import Progress

EXAMPLES = (
    ("a red cat on the left and a blue rocket on the right, at night", "#28305a",
     (("#e4604f", 8, 22, 36, 46), ("#5b8def", 54, 14, 34, 56))),
    ("a yellow star above a purple castle, at sunset", "#f2a272", (("#f6d34a", 34, 8, 30, 30), ("#8a63c9", 22, 44, 54, 44))),
    ("a green turtle on the left and a pink house on the right, on the grass", "#a9d7a0",
     (("#3f9a5d", 8, 40, 38, 38), ("#ee8fb4", 54, 22, 38, 56))),
)  # fmt: skip


def _sketch(ground: str, boxes: tuple[tuple[str, int, int, int, int], ...]) -> str:
    """A layout as a small SVG drawing."""
    parts = [f'<rect width="100" height="100" fill="{ground}"/>']
    parts += [
        f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8" fill="{fill}"/>' for fill, x, y, w, h in boxes
    ]
    return f'<svg viewBox="0 0 100 100" aria-hidden="true">{"".join(parts)}</svg>'


def studio_value(session: Session | None, progress: Progress | None) -> dict[str, Any]:
    """The value that studio.js paints; see its `take`."""
    if session is None:
        examples = [{"brief": brief, "sketch": _sketch(ground, boxes)} for brief, ground, boxes in EXAMPLES]
        return {"session": "", "stamp": "", "examples": examples}
    head, waiting, plan, turns = session.head, session.waiting, session.plan, session.turns
    shown = waiting or head
    critique = None if waiting else session.critique
    return {
        "session": session.id,
        "title": session.title,
        "stamp": f"{session.id}/{shown.number if shown else 0}/{shown.status if shown else ''}/{_chosen(head)}",
        "plan": json.loads(plan.model_dump_json()) if plan else None,
        "picture": _picture(session, head) if head and not waiting else None,
        "alt": f"The picture: {plan.scene.high_level}" if plan else "",
        "scores": _scores(critique),
        "waiting": waiting is not None,
        "busy": _busy(session, progress),
        "film": [frame for turn in turns if turn.picture for frame in _frames(session, turn, head)],
        "candidates": _candidates(session, head) if head and not waiting else [],
        "can": {"undo": len(session.states) > 1, "redo": _can_redo(session)},
        "saves": {kind: f"./ditpipe/save/{session.id}.{kind}" for kind in ("png", "zip")},
    }  # fmt: skip


def chat_messages(session: Session | None) -> list[dict[str, str]]:
    """The transcript in the form of Gradio's Chatbot."""
    said = []
    for turn in session.turns if session else []:
        said.append({"role": "user", "content": turn.message})
        if turn.reply:
            said.append({"role": "assistant", "content": turn.reply})
    return said


def session_choices(records: list[SessionRecord]) -> list[tuple[str, str]]:
    """(label, id) of every session that has begun."""
    return [(one.title or "an empty page", one.id) for one in records if one.turns]


def _picture(session: Session, turn: Turn) -> str | None:
    """The address of the picture that a turn shows; it changes with the chosen candidate."""
    return _address(session, turn.picture) if turn.picture else None


def _address(session: Session, file: str) -> str:
    return f"./ditpipe/picture/{session.id}/{quote(file)}"


def _chosen(turn: Turn | None) -> str:
    return (turn.picture or "") if turn else ""


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
    frames = [
        {
            "picture": _address(session, file), "caption": f"try {number}", "scores": _scores(critique), "round": number,
            "label": f"Look at try {number} of: {turn.message}",
        }
        for number, file, critique in tries(session, turn)
    ]  # fmt: skip
    last = {
        "number": turn.number, "picture": _picture(session, turn), "caption": turn.message, "current": current,
        "scores": _scores(turn.critique), "label": f"Show the picture after: {turn.message}",
    }  # fmt: skip
    return [*frames, last]


def tries(session: Session, turn: Turn) -> list[tuple[int, str, Critique | None]]:
    """(round, picture file, critique) of the rounds of a turn that were not kept, if it took more than one."""
    if not turn.folder:
        return []
    found = []
    for record in sorted(session.path(turn.folder).glob("round-*/round.json")):
        one = json.loads(record.read_text())
        critique = Critique.model_validate(one["critique"]) if one["critique"] else None
        file = record.parent / one["path"].rsplit("/", 1)[-1]
        found.append((int(record.parent.name.partition("-")[2]), str(file.relative_to(session.folder)), critique))
    kept = max(found, key=lambda one: (one[2].score if one[2] else 0.0, -one[0]), default=None)
    return [one for one in found if one is not kept]


def _candidates(session: Session, turn: Turn) -> list[dict[str, Any]]:
    if len(turn.candidates) < 2:
        return []
    return [
        {
            "number": number, "picture": _address(session, one.picture), "caption": f"version {number}",
            "score": one.score, "current": one.picture == turn.picture,
        }
        for number, one in enumerate(turn.candidates, start=1)
    ]  # fmt: skip


def _can_redo(session: Session) -> bool:
    head = session.head
    return head is not None and any(turn.picture and turn.parent == head.number for turn in session.turns)
