"""Plans that many tests share."""

from ditpipe import LeveledPrompt, Region, ScenePlan, grid


def plan_of(count: int) -> ScenePlan:
    """A plan with `count` regions on a regular grid, each asking for something else."""
    columns, rows = {1: (1, 1), 2: (2, 1), 4: (2, 2), 9: (3, 3)}[count]
    regions = [
        Region(name=f"thing {i}", box=box, prompt=LeveledPrompt(high_level="abcdefghi"[i], low_level="red"))
        for i, box in enumerate(grid(columns, rows))
    ]
    return ScenePlan(width=96, height=96, scene=LeveledPrompt(high_level="many things in rows"), regions=regions)
