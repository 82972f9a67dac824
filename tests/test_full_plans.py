"""Plans of a capable model on their way to a picture: canvas, negatives, style, lettering and notes reach it."""

from pathlib import Path

from planner_replies import region, whole
from scripted import scripted
from tiny_models import saved

from ditpipe import Agent, Planner, Renderer, RenderRequest
from ditpipe.agent.wiring import largest_side, plan_brief
from ditpipe.prompts.plan import MAX_REGIONS
from ditpipe.renderer.pictures.artifacts import read_metadata, read_request

BANNER = whole(
    region("boat", [100, 300, 600, 900], "an old sailing boat", "weathered planks", lettering="ARGO"),
    region("gull", [150, 350, 500, 900], "a gull", "white", negative="blood"),
    high="A boat at sea with a gull before it.", aspect="2:1", style="watercolour", negative="people",
    left_out=["the smell of salt"],
)  # fmt: skip


def painted(tiny: Renderer, folder: Path, answer: str) -> Path:
    with scripted(answer) as model:
        planner = Planner(model, side=96)
        agent = Agent(renderer=tiny, planner=planner, critic="none", steps=1, out=folder)
        return agent.paint("a banner --chaos 30").path


def test_what_a_brief_asks_for_reaches_the_picture_or_is_said(tiny: Renderer, tmp_path: Path) -> None:
    request, warnings = read_metadata(painted(tiny, tmp_path, BANNER))
    plan = request.plan
    assert plan.size == (128, 64) and (plan.style, plan.negative) == ("watercolour", "people")
    assert "left out of the plan: the smell of salt" in warnings
    assert len([note for note in plan.notes if "'--chaos 30'" in note]) == 1
    assert len([warning for warning in warnings if "'--chaos 30'" in warning]) == 1
    assert any(warning.startswith("lettering of 'boat': not used") for warning in warnings)


def test_a_picture_without_regions_is_drawn_changed_and_drawn_again(tiny: Renderer, tmp_path: Path) -> None:
    path = painted(tiny, tmp_path, whole(high="hills at dawn", negative="people"))
    request = read_request(path)
    assert request.plan.regions == [] and request.plan.size == (96, 96)
    again = tiny.render(request)
    assert again.image.tobytes() == tiny.render(RenderRequest(plan=request.plan, steps=1)).image.tobytes()


def test_thirty_two_regions_are_drawn(tmp_path: Path) -> None:
    boxes = [[125 * (i % 8), 250 * (i // 8), 125 * (i % 8) + 120, 250 * (i // 8) + 240] for i in range(MAX_REGIONS)]
    answer = whole(*(region(f"tile {i}", [float(edge) for edge in box]) for i, box in enumerate(boxes)), high="tiles")
    renderer = Renderer(str(saved("flux", tmp_path)), device="cpu")
    with scripted(answer) as model:
        plan = Planner(model, side=256).plan("32 tiles")
    result = renderer.render(RenderRequest(plan=plan, steps=1))
    assert len(result.request.plan.regions) == MAX_REGIONS and not [w for w in result.warnings if "is not seen" in w]


def test_a_service_draws_no_larger_than_it_does_for_others(tiny: Renderer, tmp_path: Path) -> None:
    with scripted(*[whole(high="hills", width=2048, height=1024)] * 4) as model:
        agent = Agent(renderer=tiny, planner=Planner(model, side=96), critic="none", out=tmp_path)
        plan = plan_brief(agent, "hills", None, None, largest=192)
        assert plan.size == (192, 96) and plan.notes == ["2048×1024 pixels are too many here: 192×96 are drawn"]
        sized = plan_brief(agent, "hills", None, 96, largest=192)
        assert sized.size == (agent.size[0], 96) and "is not used: a size was given" in sized.notes[0]
        usual, side = plan_brief(agent, "hills", None, None), largest_side(agent)  # as `ditpipe serve` and `web` plan
        assert usual.size == (side, side // 2)
        wide = plan_brief(agent.with_settings(size=192), "hills", None, None, "4:1", largest=192)
        assert max(wide.size) == 192 and "384×96 pixels are too many here" in wide.notes[-1]
