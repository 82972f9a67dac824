"""The terminal chat's output: the layout, progress bars, replies, and the picture inline."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import PIL.Image
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from ...prompts.plan import ScenePlan
from ..chat.session import ChatEvent, Replied, Session, Sessions, Understood
from ..chat.store import Turn
from ..drawable import what_can_be_drawn
from ..events import Compared, Critiqued, Planned, Rendered, Revised, Stepped, Waiting
from .display import layout_drawing
from .signals import ctrl_c

HINT = "/help: what you can say · Ctrl-C: stop drawing · Ctrl-D: leave"
PREVIEWS = 6  # of a round


class ChatView:
    """Shows one session at a terminal. `session` is the open one; /new and /open replace it."""

    def __init__(self, sessions: Sessions, session: Session, console: Console | None = None) -> None:
        self.sessions, self.session = sessions, session
        self.console = console or Console()
        self._layout: Any = None
        self.suggestions: tuple[str, ...] = ()  # that were printed last

    def greet(self) -> None:
        """Shows the state of the conversation, and finishes a turn that a killed process left."""
        session = self.session
        if not session.turns:
            self.console.print("Say what the picture should show.")
            if draws := self.sessions.agent.vocabulary_summary:
                self.console.print(what_can_be_drawn(draws), style="dim", markup=False, highlight=False)
        else:
            self.console.print(
                f"{session.title}  ({session.id}, {len(session.turns)} messages)",
                style="bold",
                markup=False,
                highlight=False,
            )
            if unfinished := session.unfinished:
                self.console.print(
                    f"Finishing what was interrupted: {unfinished.message}", style="yellow", markup=False
                )
                self.follow(session.resume())
            elif (waiting := session.waiting) and waiting.plan:
                self.draw_layout(waiting.plan)
                self.console.print(waiting.reply, markup=False)
            else:
                self.show_picture()
        self.suggest()
        self.console.print(HINT, style="dim")

    def follow(self, events: Iterator[ChatEvent]) -> None:
        """Shows a turn while it runs. Ctrl-C stops the drawing only; a second one leaves at once."""

        def stop() -> None:
            progress.update(bar, description="stopping; again: leave")
            self.session.stop()

        progress = Progress(TextColumn("  {task.description:12}"), BarColumn(), MofNCompleteColumn())
        bar = progress.add_task("thinking", total=None)
        view = _View(progress)
        with ctrl_c(stop, f"kept; go on with: ditpipe chat --session {self.session.id}"):
            with Live(view, console=self.console, transient=True, refresh_per_second=8) as live:
                for event in events:
                    match event:
                        case Planned(plan):
                            self.draw_layout(plan)
                            progress.update(bar, description="drawing")
                        case Stepped(number, index, total, preview):
                            name = "drawing" if number == 1 else f"round {number}"
                            progress.update(bar, description=name, total=total, completed=index)
                            if preview and live.console.is_terminal:
                                view.picture = half_blocks(PIL.Image.open(BytesIO(preview)), 24)
                        case Rendered():  # its warnings are part of the reply
                            progress.update(bar, description="looking at it", total=None)
                        case Critiqued() | Compared() | Understood() | Waiting():
                            pass
                        case Revised(_, revision):
                            progress.update(bar, description="once more", total=None)
                            self.console.print(f"not yet right: {revision.reason}", style="dim", markup=False)
                        case Replied(turn):
                            live.stop()
                            self.reply(turn)

    def reply(self, turn: Turn) -> None:
        """Prints a turn's reply, and its picture if the current picture changed."""
        style = {"failed": "red", "stopped": "yellow"}.get(turn.status, "")
        drawn = (
            turn.status == "done" and turn.head is not None and turn.kind in ("new brief", "change", "accept", "choose")
        )
        if turn.status == "done" and (turn.kind in ("undo", "redo") or (drawn and turn.picture)):
            self.show_picture()
        if turn.critique and turn.critique.score is not None and turn.picture:
            self.console.print(Text(f"{turn.critique.score:.2f} ", "bold"), end="")
        self.console.print(turn.reply, style=style, markup=False, highlight=False)
        self.suggest()
        if len(turn.candidates) > 1 and turn.kind != "choose":
            scores = " · ".join(
                f"{i}: {s.score:.2f}" if s.score is not None else str(i) for i, s in enumerate(turn.candidates, 1)
            )
            self.console.print(f"Candidates {scores}. Choose with: the second one", style="dim", markup=False)

    def suggest(self) -> None:
        """Prints what may be said next, numbered; a number alone says it."""
        suggestions, turns = self.session.suggestions, self.session.turns
        # Right after candidates a number means one of them.
        self.suggestions = () if turns and len(turns[-1].candidates) > 1 else suggestions
        texts = [f"{number}: {text}" for number, text in enumerate(self.suggestions, 1)] or list(suggestions)
        if texts:
            line = f"You could say {' · '.join(texts)}"
            self.console.print(line, style="dim", markup=False, highlight=False)

    def chosen(self, line: str) -> str:
        """The suggestion that a number stands for, else the line itself."""
        number = int(line) if line.isdecimal() and len(line) < 3 else 0
        return self.suggestions[number - 1] if 0 < number <= len(self.suggestions) else line

    def show_picture(self) -> None:
        """Shows the current picture as this terminal can; only its path if the output is no terminal."""
        path = self.session.picture_path
        if not path:
            return
        if self.console.is_terminal:
            from textual_image.renderable import Image

            width = max(16, min(44, self.console.width - 4, 2 * self.console.height - 12))
            self.console.print(Padding(Image(path, width=width, height="auto"), (0, 0, 0, 2)))
        self.console.print(str(path), style="dim", markup=False, highlight=False, soft_wrap=True)

    def draw_layout(self, plan: ScenePlan, *, again: bool = False) -> None:
        """Draws the boxes of a plan; if they are on the screen already, only with `again`."""
        layout = [(region.name, region.box, region.prompt.low_level) for region in plan.regions]
        if again or layout != self._layout:
            self._layout = layout
            self.console.print(layout_drawing(plan, min(34, self.console.width - 2)))


class _View:
    """The part of the screen that changes while a picture is drawn: a preview over a progress bar."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.picture = progress, None

    picture: RenderableType | None

    def __rich__(self) -> RenderableType:
        return Group(self.picture, self.progress) if self.picture else self.progress


def half_blocks(image: Any, width: int) -> RenderableType:
    from textual_image.renderable import HalfcellImage

    return Padding(HalfcellImage(image, width=width, height="auto"), (0, 0, 0, 2))
