"""Does the critic see what the judge sees on generated pictures, and does the loop help?

    python -m benchmarks.critic               # 25 fixed plans of each kind; goes on where it stopped

Each plan goes through the agent's loop of at most three rounds. On the regions of all its pictures the critic's verdict
(is it what was asked?) is compared with the judge's; and the judge's adherence in round 1 with that in the round which
the critic holds for the best. Writes docs/critic.md.
"""

import argparse
import tempfile
from math import isnan
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import jobs, pages
from benchmarks.plans import ARRANGEMENTS, TITLES, fixed_plan, seed_of


def measure(model: str, regions: int, number: int) -> dict[str, Any]:
    """One plan's rounds: per region what was asked, what the judge and the critic see, and whether the critic is
    content; and the round that the critic holds for the best."""
    plan, right = fixed_plan(regions, number)
    boxes = [region.box for region in plan.regions]
    with tempfile.TemporaryDirectory() as folder:
        painting = jobs.loop(model, plan, seed_of(regions, number), Path(folder))
        rounds = []
        for one in painting.rounds:
            assert one.critique is not None
            seen = jobs.the_judge().look(one.image, boxes)
            rounds.append(
                [
                    {"asked": str(asked), "judge": str(judged), "critic": said.seen, "content": not said.problem}
                    for asked, judged, said in zip(right, seen, one.critique.regions, strict=True)
                ]
            )
    return {"regions": regions, "plan": number, "rounds": rounds, "best": painting.best.number - 1}


def agreement(regions: list[dict[str, Any]]) -> dict[str, float]:
    """Shares of regions: critic and judge give the same verdict, see the same subject, the same colour; the critic is
    content, with all and with those that the judge holds for right; those. NaN where there are none."""
    return {
        "verdict": _mean([one["content"] == (one["judge"] == one["asked"]) for one in regions]),
        "subject": _mean([one["critic"].split()[-1] == one["judge"].split()[-1] for one in regions]),
        "colour": _mean([one["critic"].split()[0] == one["judge"].split()[0] for one in regions]),
        "content": _mean([one["content"] for one in regions]),
        "found": _mean([one["content"] for one in regions if one["judge"] == one["asked"]]),
        "right": adherence(regions),
    }


def adherence(regions: list[dict[str, Any]]) -> float:
    """Share of regions of which the judge sees subject and colour as asked."""
    return _mean([one["judge"] == one["asked"] for one in regions])


def _mean(values: list[bool]) -> float:
    return sum(values) / len(values) if values else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plans", type=int, default=25, help="plans of each number of regions")
    parser.add_argument("--model", default="pocket", help="a name from `ditpipe models`, or a folder")
    parser.add_argument("--workers", type=int, default=jobs.available(), help="processes of one thread each")
    parser.add_argument("--no-write", action="store_true", help="print only, leave docs/ as it is")
    args = parser.parse_args()
    critic = sorted((jobs.ROOT / "renderer" / "pocket" / "critic").iterdir())
    code = [*jobs.weights_of(args.model), *critic, *jobs.sources("renderer", "agent"), *jobs.own("plans", "critic")]
    store = jobs.Results(f"critic-{jobs.fingerprint(code)}")
    done = {(one["regions"], one["plan"]) for one in store.rows}
    wanted = [(regions, number) for regions in sorted(ARRANGEMENTS, reverse=True) for number in range(args.plans)]
    tasks = [(args.model, *one) for one in wanted if one not in done]
    for row in jobs.in_processes(measure, tasks, workers=args.workers, title="critic"):
        store.add([row])
    rows = [one for one in store.rows if one["plan"] < args.plans]

    lines = [["", *TITLES.values(), "all"]]
    groups = [[one for one in rows if one["regions"] == regions] for regions in TITLES] + [rows]
    agreed = [agreement([region for one in group for seen in one["rounds"] for region in seen]) for group in groups]
    for key, label in {
        "verdict": "**critic and judge agree whether the region is right**",
        "subject": "… see the same subject", "colour": "… see the same colour",
        "right": "regions that the judge holds for right", "content": "regions that the critic holds for right",
        "found": "of those that the judge holds for right, the critic too",
    }.items():  # fmt: skip
        lines.append([label, *("–" if isnan(one[key]) else f"{one[key]:.1%}" for one in agreed)])
    first = [adherence([region for one in group for region in one["rounds"][0]]) for group in groups]
    best = [adherence([region for one in group for region in one["rounds"][one["best"]]]) for group in groups]
    lines.append(["both right after round 1 (judge)", *(f"{share:.1%}" for share in first)])
    lines.append(["**both right in the best of 3 rounds (judge)**", *(f"{share:.1%}" for share in best)])
    text = pages.markdown(lines)
    console = Console()
    console.print(text, markup=False, soft_wrap=True)
    if not args.no_write:
        regions = sum(len(seen) for one in rows for seen in one["rounds"])
        write(text, args.plans, regions)
        console.print(f"wrote {pages.DOCS / 'critic.md'}", markup=False)


def write(text: str, plans: int, regions: int) -> None:
    """docs/critic.md."""
    (pages.DOCS / "critic.md").write_text(
        f"""# The critic against the judge, and what the loop brings

`python -m benchmarks.critic --plans {plans}`: {plans} fixed plans each of 1, 2, 4 and 9 regions and of 3 boxes
anywhere, through the agent's loop of at most three rounds; {regions:,} regions of generated pictures, which neither
critic nor judge was trained on.

{text}

{jobs.judge_line()}
"""
    )


if __name__ == "__main__":
    main()
