"""Terminal output: the layout drawn in characters, progress bars, and the critic's findings."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ...prompts.plan import ScenePlan
from ...prompts.wording import scene_text
from ..chat.phrases import score_text
from ..chat.store import SessionRecord
from ..events import Compared, Critiqued, Event, Finished, Painting, Planned, Rendered, Revised, Stepped, Waiting

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


def layout_drawing(plan: ScenePlan, width: int = 56) -> Text:
    """The regions as boxes of characters, `width` columns wide; later and higher regions cover the ones below."""
    across, down = plan.width or plan.height or 1, plan.height or plan.width or 1
    height = max(6, round(width * down / across * 0.45))
    cells = [[(" ", "")] * (width + 1) for _ in range(height + 1)]
    order = sorted(enumerate(plan.regions), key=lambda pair: pair[1].z_order)
    for index, region in order:
        box, style = region.box, COLOURS[index % len(COLOURS)]
        left, right = round(box.left * width), max(round(box.left * width) + 2, round(box.right * width))
        top, bottom = round(box.top * height), max(round(box.top * height) + 1, round(box.bottom * height))
        right, bottom = min(right, width), min(bottom, height)
        for x in range(left, right + 1):
            for y in range(top, bottom + 1):
                edge_x, edge_y = x in (left, right), y in (top, bottom)
                cells[y][x] = ("+" if edge_x and edge_y else "-" if edge_y else "|" if edge_x else " ", style)
        words = [region.name, region.prompt.low_level]
        for line, text in enumerate(word for word in words if word):
            y = top + 1 + line
            if y < bottom:
                for x, letter in enumerate(text[: max(0, right - left - 2)], start=left + 2):
                    cells[y][x] = (letter, f"bold {style}" if line == 0 else style)
    out = Text()
    for row in cells:
        for letter, style in row:
            out.append(letter, style)
        out.append("\n")
    return out


def sessions_table(records: list[SessionRecord]) -> Table:
    """The sessions as a table: id, last use, number of messages, title."""
    table = Table("session", "last used", "messages", "title", box=None)
    for record in records:
        used = datetime.fromtimestamp(record.updated).strftime("%Y-%m-%d %H:%M")
        table.add_row(escape(record.id), used, str(record.turns), escape(record.title) or "(no messages yet)")
    return table


def show(events: Iterator[Event], console: Console, *, rounds: int, planner: str) -> Painting | Waiting:
    """Follows a run in the terminal and returns its result, or the plan that waits for approval."""
    steps = Progress(TextColumn("  {task.description:18}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = steps.add_task("planning", total=None)
    printed: set[str] = set()  # each round repeats the notes of those before

    def tell(notes: Iterable[str]) -> None:
        for note in notes:
            if note not in printed:
                live.console.print(f"  note: {note}", style="yellow", markup=False)
        printed.update(notes)

    with Live(Group(steps), console=console, transient=True, refresh_per_second=8) as live:
        for event in events:
            match event:
                case Planned(plan):
                    live.console.print(f"planned by {planner}", style="dim", markup=False)
                    live.console.print(Text(scene_text(plan, "both"), "italic"))
                    live.console.print(layout_drawing(plan))
                    tell(plan.notes)
                case Stepped(number, index, total):
                    steps.update(bar, description=f"round {number} of {rounds}", total=total, completed=index)
                case Rendered(_, _, _, warnings):
                    tell(warnings)
                    steps.update(bar, description="looking at it", total=None)
                case Critiqued(number, critique):
                    text = f"  round {number}: {score_text(critique.score)}  {critique.summary}".rstrip()
                    live.console.print(text, style="bold", markup=False)
                    for region in critique.regions:
                        finding = region.problem or f"sees {region.seen}"
                        live.console.print(f"    {score_text(region.score)} {region.name}: {finding}", markup=False)
                    if critique.score is None:
                        live.console.print("  nothing is drawn again: no region could be judged", style="yellow")
                case Compared(_, comparison):
                    for clause in comparison.notes:
                        live.console.print(f"    {clause}", style="yellow", markup=False)
                case Revised(_, revision):
                    text = f"  drawing again: {revision.summary} ({revision.reason})"
                    live.console.print(text, style="yellow", markup=False)
                case Waiting():
                    return event
                case Finished(painting):
                    return painting
    raise AssertionError("a run ends with Finished")
