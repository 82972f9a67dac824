"""Does each region show its prompt? The paper's comparison on fixed plans, the same seeds for every method.

    python -m benchmarks.adherence                     # the whole table; resumes
    python -m benchmarks.adherence --plans 10 --rows merged scene-then-regions@0.5 --no-write
    python -m benchmarks.adherence --model FOLDER --steps 20 --guidance 4      # a pocket checkpoint in training

Writes docs/adherence.md and docs/adherence.png. The judges
(renderer/metrics/pocket_judge.py) look at each region's box and at the whole picture.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from rich.console import Console

from benchmarks import jobs, pages
from benchmarks.batch import COUPLE, Batch, Method
from ditpipe.agent.evaluate.fixed_plans import ARRANGEMENTS, TITLES, fixed_plan, patterns_of, scene_of, seed_of
from ditpipe.renderer.checkpoints.registry import checkpoint
from ditpipe.renderer.metrics.pocket_judge import cut
from ditpipe.renderer.metrics.pocket_labels import Seen
from ditpipe.renderer.regions.prompt_schedule import preset

ROWS: dict[str, tuple[str, Method]] = {
    "merged": ("all prompts merged into one, with position words", preset("scene")),
    "couple": ("Couple (two regions only)", COUPLE),
    "regions": ("Controllable Region-Attention, all blocks", preset("regions")),
    "scene-then-regions@0.25": ("scene in the shallow ¼, then regions", preset("scene-then-regions@0.25")),
    "scene-then-regions@0.5": ("scene in the shallow ½, then regions", preset("scene-then-regions@0.5")),
    "scene-then-regions@0.75": ("scene in the shallow ¾, then regions", preset("scene-then-regions@0.75")),
    "regions-then-scene@0.25": ("regions in the shallow ¼, then scene", preset("regions-then-scene@0.25")),
    "regions-then-scene@0.5": ("regions in the shallow ½, then scene", preset("regions-then-scene@0.5")),
    "regions-then-scene@0.75": ("regions in the shallow ¾, then scene", preset("regions-then-scene@0.75")),
}
TOGETHER = 10  # plans a batch
SHOWN = 2  # plans of each arrangement in the contact sheet


def measure(
    model: str,
    regions: int,
    numbers: tuple[int, ...],
    rows: list[str],
    sampling: dict[str, Any],
    bf16: bool,
    folder: Path,
) -> list[dict[str, Any]]:
    """Draws plans by methods and judges the pictures; those of the first plans are saved for the sheet."""
    plans = [fixed_plan(regions, number)[0] for number in numbers]
    seeds = [seed_of(regions, number) for number in numbers]
    renderer, judge = jobs.renderer_of(model), jobs.the_judge()
    results = []
    with torch.autocast(renderer.pipe.device.type, torch.bfloat16, enabled=bf16):
        batch = Batch(renderer, plans)
        for row in rows:
            started = time.process_time()
            images = batch.paint(ROWS[row][1], seeds, **sampling)
            seconds = (time.process_time() - started) / len(plans)
            scenes = jobs.the_scene_judge().look(images)
            for number, plan, image, scene in zip(numbers, plans, images, scenes, strict=True):
                boxes = [region.box for region in plan.regions]
                seen, patterns = judge.look(image, boxes), judge.patterns(torch.stack([cut(image, b) for b in boxes]))
                results.append({"row": row, "regions": regions, "plan": number, "seconds": round(seconds, 3),
                              "seen": [[label.subject, label.colour] for label in seen], "patterns": patterns,
                              "scene": asdict(scene)})  # fmt: skip
                if number < SHOWN:
                    image.save(folder / f"{regions}-{number}-{row}.png")
    return results


def tally(results: list[dict[str, Any]]) -> tuple[float, float, float]:
    """Shares of regions whose subject, colour, and both are right. NaN of no results."""
    pairs = [
        (Seen(*seen), right)
        for result in results
        for seen, right in zip(result["seen"], fixed_plan(result["regions"], result["plan"])[1], strict=True)
    ]
    count = len(pairs) or float("nan")
    subject = sum(seen.subject == right.subject for seen, right in pairs) / count
    colour = sum(seen.colour == right.colour for seen, right in pairs) / count
    both = sum(seen == right for seen, right in pairs) / count
    return subject, colour, both


def pattern_share(results: list[dict[str, Any]]) -> tuple[float, float]:
    """Shares of regions with the right surface pattern, of patterned regions and of all; right subjects only."""
    pairs = [
        (expected, actual)
        for result in results
        for expected, actual, seen, right in zip(
            patterns_of(result["regions"], result["plan"]), result["patterns"], result["seen"],
            fixed_plan(result["regions"], result["plan"])[1], strict=True,
        )
        if seen[0] == right.subject
    ]  # fmt: skip
    marked = [pair for pair in pairs if pair[0] != "plain"]
    return (
        sum(expected == actual for expected, actual in marked) / (len(marked) or float("nan")),
        sum(expected == actual for expected, actual in pairs) / (len(pairs) or float("nan")),
    )


def scene_shares(results: list[dict[str, Any]]) -> tuple[float, float, float]:
    """Shares of pictures with the right background, the right light (of those that ask for warm or dim light) and the
    right style (of those that ask for a glossy one). NaN of no pictures."""
    pairs = [(result["scene"], asdict(scene_of(result["regions"], result["plan"]))) for result in results]
    shares = []
    for part, default in (("background", ""), ("light", "bright"), ("style", "flat")):
        named = [(actual[part], expected[part]) for actual, expected in pairs if expected[part] != default]
        shares.append(sum(actual == expected for actual, expected in named) / (len(named) or float("nan")))
    return shares[0], shares[1], shares[2]


def table(
    results: list[dict[str, Any]], rows: list[str], shares: Callable[[list[dict[str, Any]]], tuple[float, ...]]
) -> list[list[str]]:
    """Cells of `shares` in per cent, 'a / b / c', a line per method; '–' where a method was not measured."""
    lines = [["method", *TITLES.values()]]
    for row in rows:
        cells = []
        for regions in TITLES:
            mine = [result for result in results if (result["row"], result["regions"]) == (row, regions)]
            cells.append(" / ".join(f"{100 * share:.0f}" for share in shares(mine)) if mine else "–")
        lines.append([ROWS[row][0], *cells])
    return lines


def conclusion(results: list[dict[str, Any]], rows: list[str]) -> str:
    """The regional schedule with the best sum over four regions, nine regions and free boxes, of those that keep 90% of
    the backgrounds at every number of regions; and the merged prompt."""
    mine = {
        row: {n: [result for result in results if (result["row"], result["regions"]) == (row, n)] for n in TITLES}
        for row in rows
        if row != "couple"
    }
    both = {row: [tally(some[n])[2] for n in (4, 9, 3)] for row, some in mine.items()}
    faithful = [row for row, some in mine.items() if all(scene_shares(each)[0] >= 0.9 for each in some.values())]
    best = max((row for row in faithful if row != "merged"), key=lambda row: sum(both[row]), default="")

    def figures(row: str) -> str:
        return "{:.1%} at N = 4, {:.1%} at N = 9, {:.1%} in free boxes".format(*both[row])

    sentence = "No schedule of these keeps the backgrounds"
    if best:
        sentence = f"Best schedule that keeps the backgrounds: **{ROWS[best][0]}**, both right {figures(best)}"
    return f"{sentence}; the merged prompt: {figures('merged')}." if "merged" in both else f"{sentence}."


def sheet(folder: Path, rows: list[str]) -> Image.Image:
    """The first plans of each arrangement (lines) by every method (columns)."""
    side, head, left = 128, 40, 20
    plans = [(regions, number) for regions in ARRANGEMENTS for number in range(SHOWN)]
    out = Image.new("RGB", (left + len(rows) * (side + 4), head + len(plans) * (side + 4)), "white")
    draw = ImageDraw.Draw(out)
    for x, row in enumerate(rows):
        draw.text((left + x * (side + 4), 2), row.replace("-then-", "\nthen ").replace("@", " @ "), fill="black")
        for y, (regions, number) in enumerate(plans):
            draw.text((2, head + y * (side + 4) + side // 2), str(regions), fill="black")
            file = folder / f"{regions}-{number}-{row}.png"
            if file.exists():
                out.paste(Image.open(file), (left + x * (side + 4), head + y * (side + 4)))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plans", type=int, default=100, help="plans of each number of regions")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--model", default="pocket", help="a name from `ditpipe models`, or a folder")
    parser.add_argument("--steps", type=int, help="denoising steps; the model's own if not given")
    parser.add_argument("--guidance", type=float, help="CFG scale; the model's own if not given")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast: faster, nearly the same pictures")
    parser.add_argument("--workers", type=int, default=jobs.available(), help="processes of one thread each")
    parser.add_argument("--no-write", action="store_true", help="print only, leave docs/ as it is")
    args = parser.parse_args()
    files = [*jobs.weights_of(args.model), *jobs.sources("renderer"), *jobs.own("batch"), jobs.FIXED_PLANS]
    sampling = {"steps": args.steps, "guidance_scale": args.guidance}
    name = f"adherence-{jobs.fingerprint(files, sampling, args.bf16)}"
    results, folder = jobs.Results(name), jobs.WORK / name
    folder.mkdir(exist_ok=True)
    done = {(result["row"], result["regions"], result["plan"]) for result in results.rows}
    tasks = []
    for regions in sorted(ARRANGEMENTS, reverse=True):
        rows = [row for row in args.rows if row != "couple" or regions == 2]
        for start in range(0, args.plans, TOGETHER):
            numbers = tuple(range(start, min(start + TOGETHER, args.plans)))
            missing = [row for row in rows if any((row, regions, number) not in done for number in numbers)]
            if missing:
                tasks.append((args.model, regions, numbers, missing, sampling, args.bf16, folder))
    for measured in jobs.in_processes(measure, tasks, workers=args.workers, title="adherence"):
        results.add([result for result in measured if (result["row"], result["regions"], result["plan"]) not in done])
    chosen = [result for result in results.rows if result["plan"] < args.plans and result["row"] in args.rows]

    lines, patterns, scenes = (table(chosen, args.rows, shares) for shares in (tally, pattern_share, scene_shares))
    console = Console()
    for title, some in (("regions:", lines), ("patterns:", patterns), ("scenes:", scenes)):
        console.print(title, pages.markdown(some), sep="\n", markup=False, soft_wrap=True)
    seconds = sum(result["seconds"] for result in chosen)
    steps = args.steps or checkpoint(args.model).steps
    cost = (
        f"{len(chosen):,} pictures of {steps} steps, {seconds / len(chosen):.2f} CPU seconds each "
        f"({seconds / 60:.0f} CPU minutes for the table{', bfloat16' if args.bf16 else ''})."
    )
    notes = [jobs.judge_line(), conclusion(chosen, args.rows), cost]
    console.print(*notes, sep="\n", markup=False, soft_wrap=True)
    if not args.no_write:
        write(lines, patterns, scenes, notes, args.plans)
        sheet(folder, args.rows).quantize(256).save(pages.DOCS / "adherence.png")
        console.print(f"wrote {pages.DOCS / 'adherence.md'} and adherence.png", markup=False)


def write(
    lines: list[list[str]], patterns: list[list[str]], scenes: list[list[str]], notes: list[str], plans: int
) -> None:
    """docs/adherence.md."""
    text = f"""# Adherence: does each region show its prompt?

`python -m benchmarks.adherence --plans {plans}`: {plans} fixed plans each of 1, 2, 4 (2×2) and 9 (3×3)
regions, and of 3 boxes anywhere, the same seeds for every method. Each cell: per cent of regions whose **subject /
colour / both** are right by a judge that was trained on composed pictures only.

{pages.markdown(lines)}

{(chr(10) * 2).join(notes)}

Low-level control: of the regions with the right subject, per cent whose surface pattern is right, **of those that ask
for stripes or dots / of all**. Only region prompts name patterns; the scene prompt does not.

{pages.markdown(patterns)}

The whole picture: per cent whose **background** is right / whose **light** is, of those that ask for warm or dim light
/ whose **style** is, of those that ask for a glossy one. Only the scene prompt names them; its style is appended to the
region prompts.
{jobs.scene_judge_line()}

{pages.markdown(scenes)}

![{SHOWN} plans of each number of regions (lines), drawn by every method (columns)](adherence.png)
"""
    (pages.DOCS / "adherence.md").write_text(text)


if __name__ == "__main__":
    main()
