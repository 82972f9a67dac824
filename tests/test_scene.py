"""The contract: what is valid, what is refused, and how layouts are made."""

from random import Random

import pytest
from plans import plan_of
from pydantic import ValidationError

import ditpipe
from ditpipe import Box, LeveledPrompt, Region, Revision, ScenePlan, boxes_for, columns, grid, rows
from ditpipe.prompts.layout.places import Place
from ditpipe.prompts.revision import RegionChange
from ditpipe.prompts.templates import fill_template


@pytest.mark.parametrize(
    "edges",
    [
        (0.5, 0, 0.5, 1),
        (0.6, 0, 0.5, 1),
        (0, 0, 1.1, 1),
        (-0.1, 0, 1, 1),
        (0, 0, float("nan"), 1),
        (0, 0, float("inf"), 1),
    ],
)
def test_impossible_boxes(edges: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValidationError):
        Box(left=edges[0], top=edges[1], right=edges[2], bottom=edges[3])


def test_names_must_be_unique() -> None:
    plan = plan_of(2).model_dump()
    plan["regions"][1]["name"] = plan["regions"][0]["name"]
    with pytest.raises(ValidationError, match="unique"):
        ditpipe.ScenePlan.model_validate(plan)


@pytest.mark.parametrize("change", [{"regions": None}, {"width": 100}, {"width": 4096}, {"colour": "red"}])
def test_refused_plans(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ditpipe.ScenePlan.model_validate(plan_of(2).model_dump() | change)


def test_a_plan_without_regions_is_its_scene_prompt() -> None:
    plan = ditpipe.ScenePlan(scene=LeveledPrompt(high_level="hills at dawn"), regions=[])
    assert ditpipe.ScenePlan.model_validate_json(plan.model_dump_json()) == plan
    with pytest.raises(ValueError, match="the plan has none"):
        plan.region("cat")


def test_fields_of_later_versions_are_in_a_file_only_where_they_say_something() -> None:
    new = {"style", "colors", "lettering"}
    assert not new & set(plan_of(1).model_dump()) and not new & set(plan_of(1).regions[0].model_dump())


def test_null_is_read_as_not_given_and_a_text_as_a_prompt() -> None:
    box = {"left": 0, "top": 0, "right": 1, "bottom": 1}
    region = {"name": "cat", "box": box, "prompt": "red cat", "negative": None, "z_order": None, "strength": None}
    plan = ScenePlan.model_validate({"scene": {"high_level": "a cat", "low_level": None}, "regions": [region]})
    cat = LeveledPrompt(high_level="red cat")
    assert plan.regions == [Region(name="cat", box=Box.model_validate(box), prompt=cat)]
    assert plan.scene == LeveledPrompt(high_level="a cat")
    with pytest.raises(ValidationError, match="name"):
        Region.model_validate(region | {"name": None})


def test_a_scene_without_regions_is_a_plan() -> None:
    assert ScenePlan(scene=LeveledPrompt(high_level="an empty beach"), negative="people", regions=[]).regions == []


def test_masks_that_no_picture_has_room_for_are_refused_together() -> None:
    mask = "iVBORw0KGgo" + "A" * 47_000
    region = plan_of(1).regions[0]
    many = [region.model_copy(update={"name": str(i), "mask": mask}) for i in range(17)]
    with pytest.raises(ValidationError, match="the masks have 799,187 characters together, at most 768,000"):
        ScenePlan(scene=LeveledPrompt(high_level="x"), regions=many)


def test_thirty_three_regions_are_too_many() -> None:
    region = plan_of(1).regions[0]
    many = [region.model_copy(update={"name": str(i)}) for i in range(33)]
    with pytest.raises(ValidationError):
        ditpipe.ScenePlan(scene=LeveledPrompt(high_level="x"), regions=many)


def test_every_field_is_described() -> None:
    schema = ditpipe.ScenePlan.model_json_schema()
    for name, definition in [("ScenePlan", schema), *schema["$defs"].items()]:
        for field, said in definition["properties"].items():
            assert said.get("description"), f"{name}.{field} has no description"


def test_divisions_cover_the_canvas_without_overlap() -> None:
    for boxes in (columns(3), rows(2), grid(3, 3)):
        assert sum(box.area for box in boxes) == pytest.approx(1)
        assert all(a.overlap(b) < 1e-9 for i, a in enumerate(boxes) for b in boxes[:i])


def edges(box: Box) -> tuple[float, ...]:
    return tuple(round(value, 2) for value in (box.left, box.top, box.right, box.bottom))


@pytest.mark.parametrize(
    "places, expected",
    [
        (["center"], [(0, 0, 1, 1)]),
        (["left", "right"], [(0, 0, 0.5, 1), (0.5, 0, 1, 1)]),
        (["top", "bottom"], [(0, 0, 1, 0.5), (0, 0.5, 1, 1)]),
        (["top left"], [(0, 0, 0.5, 0.5)]),
        (["top", "bottom left", "bottom right"], [(0, 0, 1, 0.5), (0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1)]),
        (["left", "top right", "bottom right"], [(0, 0, 0.5, 1), (0.5, 0, 1, 0.5), (0.5, 0.5, 1, 1)]),
        (["left", "left"], [(0, 0, 0.25, 1), (0.25, 0, 0.5, 1)]),
        (["center"] * 4, [(0, 0, 0.5, 0.5), (0.5, 0, 1, 0.5), (0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1)]),
    ],
)
def test_places_become_boxes(places: list[Place], expected: list[tuple[float, ...]]) -> None:
    assert [edges(box) for box in boxes_for(places)] == expected


def test_a_revision_changes_only_what_it_names() -> None:
    plan = plan_of(2)
    revised = Revision(changes=[RegionChange(name="thing 0", seed=7)]).apply(plan)
    assert revised.regions[0] == plan.regions[0].model_copy(update={"seed": 7})
    assert revised.regions[1] == plan.regions[1]
    with pytest.raises(ValueError, match="the plan has thing 0, thing 1"):
        Revision(changes=[RegionChange(name="cat", seed=7)]).apply(plan)


def test_templates_are_strict() -> None:
    assert "objects.0" in fill_template("repair", problem="objects.0")
    with pytest.raises(ValueError, match="problem"):
        fill_template("repair")
    with pytest.raises(ValueError, match="extra"):
        fill_template("planner", extra="x")


def test_region_prompt_text_puts_details_before_the_thing() -> None:
    region = Region(name="cat", box=grid(1, 1)[0], prompt=LeveledPrompt(high_level="cat", low_level="red"))
    assert region.prompt.text == "red cat"


def test_a_revision_adds_and_removes_and_says_nothing_of_it_otherwise() -> None:
    plan = plan_of(4)
    new = plan.region("thing 0").model_copy(update={"name": "moon"})
    revision = Revision(removed=["thing 1"], added=[new], changes=[RegionChange(name="thing 2", seed=7)])
    revised = revision.apply(plan)
    assert [region.name for region in revised.regions] == ["thing 0", "thing 2", "thing 3", "moon"]
    assert revision.names == ["thing 2", "moon", "thing 1"]
    plain = Revision(changes=[RegionChange(name="thing 2", seed=7)])
    assert set(plain.model_dump()) == {"reason", "changes", "scene"}
    with pytest.raises(ValueError, match="no region 'cat'"):
        Revision(removed=["cat"]).apply(plan)
    with pytest.raises(ValueError, match="must be unique"):
        Revision(added=[plan.region("thing 0")]).apply(plan)
    with pytest.raises(ValueError, match="at least one region"):
        Revision()


def test_the_revision_between_two_plans_makes_one_of_the_other() -> None:
    plan = plan_of(4)
    seeded = Revision(changes=[RegionChange(name="thing 0", seed=7)]).apply(plan)
    other = Revision(removed=["thing 1"], scene=LeveledPrompt(high_level="three things")).apply(seeded)
    for before, after in ((plan, other), (plan, seeded)):
        revision = Revision.between(before, after)
        assert revision and revision.apply(before) == after
    unseeded = Revision.between(seeded, plan)  # a seed is given back to the picture: the region is drawn as a new one
    assert unseeded and sorted(r.name for r in unseeded.apply(seeded).regions) == sorted(r.name for r in plan.regions)
    assert unseeded.apply(seeded).region("thing 0") == plan.region("thing 0")
    assert Revision.between(plan, plan) is None
    with pytest.raises(ValueError, match="size, its style, its palette or its negative"):
        Revision.between(plan, plan.model_copy(update={"negative": "blurred"}))


def test_what_stands_in_front_stays_there_when_a_region_becomes_another() -> None:
    box, small = Box(left=0, top=0, right=1, bottom=1), Box(left=0.3, top=0.3, right=0.6, bottom=0.6)
    cat, hat, pin = (region_at(name, at) for name, at in (("cat", box), ("hat", small), ("pin", small)))
    before = plan_of(1).model_copy(update={"regions": [cat, hat, pin]})
    after = before.model_copy(update={"regions": [region_at("dog", box), hat, pin]})
    revision = Revision.between(before, after)
    assert revision and revision.removed == ["cat"] and [region.name for region in revision.added] == ["dog"]
    drawn = revision.apply(before)
    assert [region.name for region in sorted(drawn.regions, key=lambda r: r.z_order)] == ["dog", "hat", "pin"]
    assert not revision.changes, "the hat is not drawn again"
    aside = region_at("hat", Box(left=0, top=0, right=0.2, bottom=0.2))
    apart = Revision.between(before, before.model_copy(update={"regions": [region_at("dog", small), aside, pin]}))
    assert apart and all(change.z_order is None for change in apart.changes if change.name == "hat")


@pytest.mark.parametrize("seed", range(100))
def test_a_revision_keeps_which_of_two_covers_the_other(seed: int) -> None:
    random = Random(seed)

    def some(name: str) -> Region:
        (left, right), (top, bottom) = (sorted(random.sample(range(9), 2)) for _ in range(2))
        box = Box(left=left / 8, top=top / 8, right=right / 8, bottom=bottom / 8)
        return region_at(name, box).model_copy(update={"z_order": random.choice([0, 0, 0, 1, -1])})

    before = plan_of(1).model_copy(update={"regions": [some(f"old {i}") for i in range(random.randint(2, 6))]})
    regions = [
        region.model_copy(update={"name": f"new {i}"}) if random.random() < 0.3 else region
        for i, region in enumerate(before.regions)
    ]
    after = before.model_copy(update={"regions": regions})
    revision = Revision.between(before, after)
    assert covers(revision.apply(before) if revision else before) == covers(after)


def covers(plan: ScenePlan) -> set[tuple[str, str]]:
    """Names of regions that overlap, the one behind first."""
    regions = sorted(plan.regions, key=lambda region: region.z_order)
    pairs = ((below, above) for i, above in enumerate(regions) for below in regions[:i])
    return {(below.name, above.name) for below, above in pairs if below.box.overlap(above.box) > 0}


def test_a_free_shape_that_gets_a_new_box_is_a_change() -> None:
    shaped = plan_of(2).regions[0].model_copy(update={"mask": "iVBORw0KGgo"})
    before = plan_of(2).model_copy(update={"regions": [shaped, plan_of(2).regions[1]]})
    moved = shaped.model_copy(update={"mask": "", "box": Box(left=0.1, top=0.1, right=0.4, bottom=0.4)})
    revision = Revision.between(before, before.model_copy(update={"regions": [moved, plan_of(2).regions[1]]}))
    assert revision and not revision.removed and not revision.added
    assert revision.apply(before).region("thing 0") == moved


def region_at(name: str, box: Box) -> Region:
    return Region(name=name, box=box, prompt=LeveledPrompt(high_level=name))
