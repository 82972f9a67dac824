"""Plans that many tests share."""

from ditpipe import Box, LeveledPrompt, Region, ScenePlan, grid


def plan_of(count: int) -> ScenePlan:
    """A plan with `count` regions on a regular grid, each asking for something else."""
    columns, rows = {1: (1, 1), 2: (2, 1), 4: (2, 2), 9: (3, 3)}[count]
    regions = [
        Region(name=f"thing {i}", box=box, prompt=LeveledPrompt(high_level="abcdefghi"[i], low_level="red"))
        for i, box in enumerate(grid(columns, rows))
    ]
    return ScenePlan(width=96, height=96, scene=LeveledPrompt(high_level="many things in rows"), regions=regions)


def listed_plan() -> ScenePlan:
    """A plan as planners write them: the scene prompt lists the regions and says where they are."""
    cat = LeveledPrompt(high_level="cat on the left", low_level="red")
    rocket = LeveledPrompt(high_level="rocket on the right", low_level="blue")
    return ScenePlan(
        scene=LeveledPrompt(high_level="a red cat on the left and a blue rocket on the right at night"),
        regions=[
            Region(name="cat", box=Box(left=0, top=0, right=0.5, bottom=1), prompt=cat),
            Region(name="rocket", box=Box(left=0.5, top=0, right=1, bottom=1), prompt=rocket),
        ],
    )


def changed(plan: ScenePlan, number: int = 0, **fields: object) -> ScenePlan:
    """The plan with fields of one region set."""
    some = list(plan.regions)
    some[number] = some[number].model_copy(update=fields)
    return plan.model_copy(update={"regions": some})
