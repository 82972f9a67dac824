"""Writes the transcript and the pictures of docs/chat.md, with the embedded models: `python -m benchmarks.chat`."""

import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.pages import DOCS
from ditpipe import Agent
from ditpipe.agent.chat.session import Replied, Sessions

MESSAGES = (
    "a red cat on the left and a blue rocket on the right, at night", "make the cat on the left orange", "swap the two",
    "add a small moon at the top right", "make it green", "the rocket", "go back two", "redo 2",
    "what is at the top right?", "make the cat white and remove the rocket", "same but at sunset",
    "turn the moon into a yellow star", "make the dragon purple", "perfect",
)  # fmt: skip
SIDE = 144  # pixels of one picture in the sheet
MARKS = ("<!-- transcript -->", "<!-- end of transcript -->")


def main() -> None:
    """Runs the conversation, writes it between the marks of docs/chat.md, and its pictures to docs/chat.png."""
    with tempfile.TemporaryDirectory() as folder:
        session = Sessions(Agent(planner="embedded", sessions=Path(folder))).new()
        lines = []
        for message in MESSAGES:
            for event in session.say(message):
                if isinstance(event, Replied):
                    number = f" *(picture {event.turn.number})*" if event.turn.picture else ""
                    lines += [f"> {message}", "", f"{event.turn.reply}{number}", ""]
                    print(f"> {message}\n{event.turn.reply}", flush=True)
        drawn = [turn for turn in session.turns if turn.picture]
        sheet = Image.new("RGB", (SIDE * len(drawn) + 4 * (len(drawn) - 1), SIDE), "white")
        for index, turn in enumerate(drawn):
            picture = Image.open(session.path(turn.picture or "")).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(picture, (index * (SIDE + 4), 0))
        sheet.save(DOCS / "chat.png", optimize=True)
    text = (DOCS / "chat.md").read_text(encoding="utf-8")
    before, after = text.split(MARKS[0])[0], text.split(MARKS[1])[1]
    (DOCS / "chat.md").write_text("\n".join([before + MARKS[0], "", *lines, MARKS[1] + after]), encoding="utf-8")


if __name__ == "__main__":
    main()
