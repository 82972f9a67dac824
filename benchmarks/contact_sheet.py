"""Ten briefs, ten pictures, through planner, renderer and critic: python -m benchmarks.contact_sheet

Writes docs/contact-sheet.png, failures included: each picture with its brief and what the critic saw.
"""

import tempfile
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw
from rich.console import Console

from ditpipe import Agent
from ditpipe.agent.chat.phrases import score_text

BRIEFS = (
    "a red cat at night",
    "a dotted blue car on the beach",
    "a yellow teapot in a room, glossy style",
    "a red cat on the left and a blue rocket on the right, at night",
    "a green turtle on the left and a pink house on the right, on the grass",
    "a yellow moon above a striped purple castle, at sunset",
    "a white rabbit next to a red mushroom in the snow",
    "an orange fish, a green turtle and a blue whale in a row, under water",
    "in the corners: a red balloon, a yellow balloon, a green balloon and a blue balloon, in the sky",
    "top left a red apple, top right a green tree, bottom left a blue bird, bottom right a yellow duck, in winter",
)
TARGET = Path(__file__).parent.parent / "docs" / "contact-sheet.png"
SIDE, CAPTION = 256, 46


def main() -> None:
    sheet = Image.new("RGB", (5 * SIDE, 2 * (SIDE + CAPTION)), "white")
    draw = ImageDraw.Draw(sheet)
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        painter = Agent(planner="embedded", rounds=3, out=Path(folder))
        for i, brief in enumerate(BRIEFS):
            best = painter.paint(brief).best
            right = sum(not region.problem for region in best.critique.regions) if best.critique else 0
            caption = f"{brief}  [{right} of {len(best.plan.regions)}, round {best.number}]"
            x, y = i % 5 * SIDE, i // 5 * (SIDE + CAPTION)
            sheet.paste(best.image.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, y))
            draw.text((x + 3, y + SIDE + 2), "\n".join(textwrap.wrap(caption, 46)), fill="black")
            console.print(f"{score_text(best.score)}  {caption}", markup=False)
    sheet.save(TARGET, optimize=True)
    console.print(str(TARGET))


if __name__ == "__main__":
    main()
