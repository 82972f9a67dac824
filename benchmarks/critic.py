"""Do critic and judge agree on generated pictures, and does the loop help?

    python -m benchmarks.critic               # 25 fixed plans of each kind; resumes

Each plan goes through the agent's loop of at most three rounds. The critic's verdict (right or wrong) on the regions of
all pictures is compared with the judge's, and the judge's adherence in round 1 with that in the critic's best round.
Writes docs/critic.md.
"""

import argparse
import tempfile
from math import isnan
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import jobs, pages
from ditpipe.agent.evaluate.fixed_plans import ARRANGEMENTS, TITLES, fixed_plan, seed_of


def measure(model: str, regions: int, number: int) -> dict[str, Any]:
    """One plan's rounds: per region the request, the labels of judge and critic, and whether the critic accepts it;
    and the index of the critic's best round."""
    plan, right = fixed_plan(regions, number)
    boxes = [region.box for region in plan.regions]
    with tempfile.TemporaryDirectory() as folder:
        painting = jobs.loop(model, plan, seed_of(regions, number), Path(folder))
        rounds = []
        for round_ in painting.rounds:
            assert round_.critique is not None
            seen = jobs.the_judge().look(round_.image, boxes)
            rounds.append(
                [
                    {"requested": str(label), "judge": str(judged), "critic": fit.seen, "accepted": not fit.problem}
                    for label, judged, fit in zip(right, seen, round_.critique.regions, strict=True)
                ]
            )
    return {"regions": regions, "plan": number, "rounds": rounds, "best": painting.best.number - 1}


def agreement(regions: list[dict[str, Any]]) -> dict[str, float]:
    """Shares of regions: same verdict, same subject, same colour by critic and judge; accepted by the critic, of all
    and of those that the judge calls right; right by the judge. NaN of no regions."""
    return {
        "verdict": _mean([region["accepted"] == (region["judge"] == region["requested"]) for region in regions]),
        "subject": _mean([region["critic"].split()[-1] == region["judge"].split()[-1] for region in regions]),
        "colour": _mean([region["critic"].split()[0] == region["judge"].split()[0] for region in regions]),
        "accepted": _mean([region["accepted"] for region in regions]),
        "found": _mean([region["accepted"] for region in regions if region["judge"] == region["requested"]]),
        "right": adherence(regions),
    }


def adherence(regions: list[dict[str, Any]]) -> float:
    """Share of regions with the requested subject and colour, by the judge."""
    return _mean([region["judge"] == region["requested"] for region in regions])


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
    code = [*jobs.weights_of(args.model), *critic, *jobs.sources("renderer", "agent"), *jobs.own("critic")]
    store = jobs.Results(f"critic-{jobs.fingerprint(code)}")
    done = {(row["regions"], row["plan"]) for row in store.rows}
    wanted = [(regions, number) for regions in sorted(ARRANGEMENTS, reverse=True) for number in range(args.plans)]
    tasks = [(args.model, *plan) for plan in wanted if plan not in done]
    for row in jobs.in_processes(measure, tasks, workers=args.workers, title="critic"):
        store.add([row])
    rows = [row for row in store.rows if row["plan"] < args.plans]

    lines = [["", *TITLES.values(), "all"]]
    groups = [[row for row in rows if row["regions"] == regions] for regions in TITLES] + [rows]
    agreed = [agreement([region for row in group for seen in row["rounds"] for region in seen]) for group in groups]
    for key, label in {
        "verdict": "**critic and judge agree whether the region is right**",
        "subject": "… see the same subject", "colour": "… see the same colour",
        "right": "regions that the judge calls right", "accepted": "regions that the critic accepts",
        "found": "of those that the judge calls right, accepted by the critic",
    }.items():  # fmt: skip
        lines.append([label, *("–" if isnan(shares[key]) else f"{shares[key]:.1%}" for shares in agreed)])
    first = [adherence([region for row in group for region in row["rounds"][0]]) for group in groups]
    best = [adherence([region for row in group for region in row["rounds"][row["best"]]]) for group in groups]
    lines.append(["both right after round 1 (judge)", *(f"{share:.1%}" for share in first)])
    lines.append(["**both right in the best of 3 rounds (judge)**", *(f"{share:.1%}" for share in best)])
    text = pages.markdown(lines)
    console = Console()
    console.print(text, markup=False, soft_wrap=True)
    if not args.no_write:
        regions = sum(len(seen) for row in rows for seen in row["rounds"])
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
