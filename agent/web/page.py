"""The page itself: Gradio's chat beside the studio, and the handlers behind them. Every handler ends in `shown`."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from ...prompts.errors import DitpipeError, one_line
from ...prompts.plan import ScenePlan
from ..chat.session import Session
from ..drawable import what_can_be_drawn
from .session_view import bar_value, chat_messages, studio_value
from .user_context import Room

STATIC = Path(__file__).parent / "static"
QUICK, CALM = 0.4, 4.0  # seconds between two looks at the session: while something is drawn, and otherwise
MOUNT = """
import(new URL("ditpipe/static/%s.js", document.baseURI).href)
  .then((part) => part.mount({ element, props, watch, act: (said) => trigger("act", said) }));
"""
# The changes that are not drawn yet go along with the next message.
WITH_PENDING = """(text, session, seen, approve) => [
  text, session || new URLSearchParams(location.search).get("s") || "", seen, approve, window.ditpipe?.pending() ?? null
]"""


def build_page(room_of: Callable[[gr.Request], Room], *, notice: str = "", draws: str = "") -> gr.Blocks:
    """`room_of`: whose sessions a request may see. `notice`: what is missing on this machine, in plain words. `draws`:
    what the image model can draw, empty if it has no list."""
    limits = what_can_be_drawn(draws) if draws else ""
    with gr.Blocks(title="ditpipe", analytics_enabled=False, fill_width=True) as page:
        session_id = gr.Textbox(visible="hidden", elem_id="session")
        # What the browser shows, as digests. It is kept there: answers may overtake each other on their way.
        seen = gr.JSON({}, visible="hidden")
        timer = gr.Timer(CALM)
        pending = gr.JSON(visible="hidden")
        bar = gr.HTML([], html_template="<div></div>", js_on_load=MOUNT % "bar", apply_default_css=False, elem_id="bar")
        if notice:
            gr.Markdown(notice, elem_id="notice")
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="talk", scale=2, min_width=300):
                chat = gr.Chatbot(
                    elem_id="chat", show_label=False, container=False, render_markdown=False, buttons=[], height=None,
                    feedback_options=None, placeholder="Say what you want to see.",
                )  # fmt: skip
                with gr.Row(elem_id="say"):
                    message = gr.Textbox(
                        show_label=False, container=False, lines=1, max_lines=6, elem_id="message", autofocus=True,
                        placeholder="a red cat on the left …", scale=5, html_attributes=None,
                    )  # fmt: skip
                    send = gr.Button("Send", variant="primary", elem_id="send", scale=1, min_width=80)
                approve = gr.Checkbox(label="Show me the layout before drawing", elem_id="approve")
            with gr.Column(elem_id="studio", scale=3, min_width=300):
                studio = gr.HTML(
                    studio_value(None, None, limits), html_template="<div></div>", js_on_load=MOUNT % "studio",
                    apply_default_css=False,
                )  # fmt: skip
        outputs = [session_id, seen, chat, studio, bar, timer]

        def shown(request: gr.Request, session: str, known: dict[str, Any] | None, complaint: str = "") -> list[Any]:
            """The page after something happened; what the browser has already is skipped."""
            known = known or {}
            room = room_of(request)
            one = room.find(session)
            progress = room.desk.progress(one.id) if one else None
            complaint = complaint or (room.desk.complaint(one.id) if one else "")
            if complaint:
                gr.Warning(complaint, duration=12)
            fresh: dict[str, Any] = {
                "session": one.id if one else "",
                "chat": chat_messages(one) + room.said_now(one),
                "studio": studio_value(one, progress, limits),
                "bar": bar_value(room.sessions().list(), one),
                "timer": QUICK if progress or (one and one.busy) else CALM,
            }
            digests = {name: _digest(value) for name, value in fresh.items()}
            new = {name: fresh[name] if known.get(name) != digests[name] else gr.skip() for name in fresh}
            timing = gr.Timer(fresh["timer"]) if known.get("timer") != digests["timer"] else gr.skip()
            return [new["session"], digests, new["chat"], new["studio"], new["bar"], timing]

        def load(request: gr.Request) -> list[Any]:
            """What the address names. Without a session only the list of earlier ones: a message may be under way."""
            asked = request.query_params.get("s", "")
            _, digests, chat, studio, earlier, timing = answer = shown(request, asked, {})
            if not asked:
                return [gr.skip(), gr.skip(), gr.skip(), gr.skip(), earlier, gr.skip()]
            return answer if studio["session"] else ["", digests, chat, studio | {"unknown": True}, earlier, timing]

        def look(session: str, known: dict[str, Any], request: gr.Request) -> list[Any]:
            """A look at what has changed; it never changes the session, since a message may be under way."""
            if not session:
                return [gr.skip()] * 6
            # The studio is always sent: whatever came late and out of order is put right.
            return [gr.skip(), *shown(request, session, (known or {}) | {"studio": ""})[1:]]

        def say(
            text: str, session: str, known: dict[str, Any], first: bool, change: dict[str, Any] | None,
            request: gr.Request,
        ) -> list[Any]:  # fmt: skip
            if not text.strip():
                return [text, *shown(request, session, known)]
            room = room_of(request)
            one = room.find(session, approve=first) or room.new(approve=first)
            try:
                started = room.say(one, text, ScenePlan.model_validate(change["plan"]) if change else None)
            except ValueError as error:
                return [text, *shown(request, one.id, known, one_line(error))]
            if not started:
                return [text, *shown(request, one.id, known, "Wait until this picture is done, or stop it.")]
            return ["", *shown(request, one.id, known)]

        def act(
            session: str, known: dict[str, Any], first: bool, request: gr.Request, event: gr.EventData
        ) -> list[Any]:  # fmt: skip
            said: dict[str, Any] = event._data
            if said["do"] == "say":
                return say(said["message"], session, known, first, None, request)[1:]
            room = room_of(request)
            one = room.find(session)
            try:
                if one is not None:
                    _do(room, one, said)
            except (DitpipeError, ValueError) as error:
                return shown(request, session, known, one_line(error))
            return shown(request, session, known)

        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        page.load(load, None, outputs, **quiet)
        timer.tick(look, [session_id, seen], outputs, **quiet)
        for asked in (message.submit, send.click):
            asked(say, [message, session_id, seen, approve, pending], [message, *outputs], js=WITH_PENDING, **quiet)
        studio.act(act, [session_id, seen, approve], outputs, **quiet)
    return page


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _do(room: Room, session: Session, said: dict[str, Any]) -> None:
    """What a button of the studio asks for. Raises ValueError or DitpipeError."""
    match said:
        case {"do": "draw", "plan": plan, "message": message}:
            scene = ScenePlan.model_validate(plan)
            if session.waiting:
                room.draw(session, lambda one: one.approve(scene), "yes")
            else:
                room.draw(session, lambda one: one.replan(scene, message), message)
        case {"do": "stop"}:
            room.desk.stop(session.id)
        case {"do": "undo"}:
            session.undo()
        case {"do": "redo"}:
            session.redo()
        case {"do": "show", "number": int(number)}:
            session.show(number)
        case {"do": "choose", "number": int(number)}:
            session.choose(number)
        case {"do": "again"}:
            room.draw(session, lambda one: one.again(), "try again")
        case {"do": "more"}:
            room.versions(session)
        case _:
            raise ValueError(f"this page does not know {said.get('do')!r}")
