"""Three briefs on real models, plan, rounds and pictures in one HTML page.

On a machine with a GPU and a key:

    python examples/real_models.py --planner openai:gpt-5 --critic openai:gpt-5 hunyuan-dit flux-dev

The briefs: one in Chinese, one with lettering, one wide. Every PNG carries its request; the page stands beside
the run folders, in `--out`, and needs nothing else.
"""

import argparse
import base64
import gc
import html
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ditpipe import Agent
from ditpipe.agent.events import Painting, Round
from ditpipe.prompts.errors import DitpipeError
from ditpipe.renderer.pictures.artifacts import read_metadata

BRIEFS = (
    "左边是一位穿白色毛衣的祖母，右边是一只橘猫，窗外下着雪，画面里没有其他人",
    'a small bookshop at dusk, a wooden sign above its door that says "OPEN LATE", a bicycle leaning on the left',
    "a wide banner: a red vintage tram crossing a stone bridge on the left, mountains behind it, no cars --ar 21:9",
)
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
img { max-width: 100%; border-radius: 6px } .rounds { display: flex; gap: 1rem; flex-wrap: wrap }
figure { margin: 0; flex: 1 1 20rem; max-width: 34rem } .box { position: absolute; border: 2px solid; font-size: .7rem }
.picture { position: relative } pre { overflow: auto; background: #f4f4f4; padding: 1rem; border-radius: 6px }
.best figcaption { font-weight: 600 }
"""


def main(models: Sequence[str], *, briefs: Sequence[str] = BRIEFS, out: Path = Path("runs"), **options: Any) -> Path:
    """The page's path. models: image models by name, folder or hub name. options: those of `ditpipe.Agent`.

    A model or a brief that fails is a line of the page, and the others are drawn. The page is written after each brief.
    """
    page = out / "real-models.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    text = f"<!doctype html><meta charset=utf-8><title>ditpipe on real models</title><style>{STYLE}</style>"
    for model in models:
        for part in _sections(model, briefs, out=out, **options):
            text += part
            page.write_text(text, encoding="utf-8")
        gc.collect()  # this model's weights, before the next one's are loaded
    print(page)
    return page


def _sections(model: str, briefs: Sequence[str], **options: Any) -> Iterator[str]:
    yield f"<h1>{html.escape(model)}</h1>"
    agent = None
    for brief in briefs:
        yield f"<h2>{html.escape(brief)}</h2>"
        try:
            agent = agent or Agent(model=model, **options)
            yield _painting(agent.paint(brief))
        except (DitpipeError, ValueError) as error:
            print(f"{model}: {error}")
            yield f"<p>Not drawn: {html.escape(str(error))}</p>"


def _painting(painting: Painting) -> str:
    plan = painting.rounds[0].plan
    warnings = read_metadata(painting.path)[1]
    notes = "".join(
        f"<li>{html.escape(note)}</li>" for note in dict.fromkeys([*plan.notes, *warnings, *painting.notes])
    )
    text = json.dumps(plan.model_dump(exclude_defaults=True), ensure_ascii=False, indent=1)
    rounds = "".join(_round(each, is_best=each is painting.best) for each in painting.rounds)
    details = f"<details><summary>The plan</summary><pre>{html.escape(text)}</pre></details>"
    return f"<ul>{notes}</ul>{details}<div class=rounds>{rounds}</div>"


def _round(each: Round, *, is_best: bool) -> str:
    """A round's picture with the boxes of its plan, why it was drawn, and what the critic said of each region."""
    edit = each.request.edits[-1] if each.request.edits else None
    change = f"<p>{html.escape(edit.summary)}: {html.escape(edit.reason)}</p>" if edit else ""
    scores = {score.name: score for score in each.critique.regions} if each.critique else {}
    boxes, lines = "", ""
    for region in each.plan.regions:
        box, score = region.box, scores.get(region.name)
        edges = (box.left, box.top, box.right - box.left, box.bottom - box.top)
        place = ";".join(
            f"{side}:{100 * edge:.1f}%" for side, edge in zip(("left", "top", "width", "height"), edges, strict=True)
        )
        boxes += f'<span class=box style="{place}">{html.escape(region.name)}</span>'
        if score:
            verdict = "not judged" if score.score is None else f"{score.score:.2f}"
            lines += f"<li>{html.escape(f'{region.name}: {verdict}; {score.problem or score.seen}')}</li>"
    data = base64.b64encode(each.path.read_bytes()).decode()
    score_text = "not judged" if each.score is None else f"{each.score:.2f}"
    kind = " class=best" if is_best else ""
    return (
        f"<figure{kind}><div class=picture><img src='data:image/png;base64,{data}'>{boxes}</div>"
        f"<figcaption>round {each.number}: {score_text}</figcaption>{change}<ul>{lines}</ul></figure>"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="see `ditpipe models`")
    parser.add_argument("--planner", required=True, help="a LangChain chat model, e.g. openai:gpt-5")
    parser.add_argument("--critic", default="local", help="a vision model, or 'local'")
    parser.add_argument("--base-url", help="OpenAI-compatible endpoint of both")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    arguments = vars(parser.parse_args())
    main(arguments.pop("models"), **arguments)
