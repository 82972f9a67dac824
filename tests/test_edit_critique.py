"""An edit that is asked for directly is compared with the picture before, as those of the chat are."""

import json
from pathlib import Path
from typing import Any

import pytest
from blank import Blank
from command_line import run
from critics import ByRegion
from fakes import PATIENCE, TwoThings
from PIL import Image
from plans import plan_of

from ditpipe import Agent, Critique, ScenePlan
from ditpipe.agent.refine.edit_critique import EditReview, review_edit
from ditpipe.agent.wiring import picture_service, tools_for
from ditpipe.prompts.errors import CritiqueError
from ditpipe.prompts.revision import RegionChange, Revision
from ditpipe.renderer.pictures.artifacts import read_metadata
from ditpipe.renderer.request import RenderRequest
from ditpipe.tools.jobs.engine import LOCAL

BEFORE = Blank().render(RenderRequest(plan=plan_of(2)))


def edited(*, negative: str = "", removed: tuple[str, ...] = ()) -> Any:
    changes = [RegionChange(name="thing 1", negative=negative)] if negative else []
    return Blank().edit(BEFORE, Revision(changes=changes, removed=list(removed)))


class Broken:
    """A critic that never answers."""

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        raise CritiqueError("the critic is down")


def test_a_changed_region_that_is_gone_and_a_neighbour_that_fell_are_said() -> None:
    after = edited(negative="fog")
    critic = ByRegion(thing_0=[0.9], thing_1=[0.0, 0.92])  # the edited picture is judged first
    review = review_edit(BEFORE, after, critic, threshold=0.5)
    assert review.critique and review.critique.regions[1].score == 0
    assert review.warnings == (
        "this is worse than the picture before, which is kept as it was: 'thing 1' came out worse (0.00, before 0.92)",
    )
    review = review_edit(BEFORE, after, ByRegion(thing_0=[0.08, 0.9], thing_1=[0.9]), threshold=0.5)
    assert "'thing 0' came out worse (0.08, before 0.90)" in review.warnings[0]


def test_remains_of_what_was_removed_are_said_and_a_good_edit_has_nothing_to_say() -> None:
    still = review_edit(BEFORE, edited(removed=("thing 1",)), ByRegion(thing_0=[0.9], thing_1=[0.8]), threshold=0.5)
    assert still.warnings == ("something of 'thing 1' is still where it was",)
    good = review_edit(BEFORE, edited(negative="fog"), ByRegion(thing_0=[0.9], thing_1=[0.9]), threshold=0.5)
    assert good.critique and good.warnings == ()


def test_a_known_critique_is_not_asked_for_again() -> None:
    known = ByRegion(thing_0=[0.9], thing_1=[0.9]).critique(BEFORE.image, plan_of(2))
    critic = ByRegion(thing_0=[0.9], thing_1=[0.1, 1.0])
    review = review_edit(BEFORE, edited(negative="fog"), critic, threshold=0.5, critique_before=known)
    assert "before 0.90" in review.warnings[0]


def test_a_critic_that_fails_costs_the_comparison_and_not_the_picture() -> None:
    review = review_edit(BEFORE, edited(negative="fog"), Broken(), threshold=0.5)
    assert review == EditReview(None, ("not compared with the picture before: the critic is down",))
    assert review_edit(BEFORE, edited(negative="fog"), None, threshold=0.5) == EditReview()

    class Once(ByRegion):
        """A critic that judges one picture."""

        def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
            if image is BEFORE.image:
                raise CritiqueError("the critic is down")
            return super().critique(image, plan)

    review = review_edit(BEFORE, edited(negative="fog"), Once(thing_0=[0.9], thing_1=[0.9]), threshold=0.5)
    assert review.critique and review.warnings == ("not compared with the picture before: the critic is down",)


def test_the_tools_answer_carries_the_comparison_and_so_does_the_picture(tmp_path: Path) -> None:
    critic = ByRegion(thing_0=[0.9], thing_1=[0.1, 0.9])
    agent = Agent(renderer=Blank(), planner=TwoThings(), critic=critic, out=tmp_path)
    service = picture_service(agent, patience=PATIENCE)
    tools = {tool.name: tool for tool in tools_for(service, agent)}

    def call(name: str, **arguments: Any) -> Any:
        tool = tools[name]
        return tool.call(tool.args_schema.model_validate(arguments), LOCAL, lambda step: None)[1]

    drawn = call("render_picture", plan=plan_of(2).model_dump())
    worse = call("edit_region", id=drawn.id, region="thing 1", seed=5)
    assert "'thing 1' came out worse (0.10, before 0.90)" in worse.warnings[0]
    assert worse.critique.regions[1].score == 0.1
    assert read_metadata(Path(worse.path))[1] == worse.warnings
    again = call("edit_region", id=worse.id, region="thing 1", seed=6)  # its critique is known, and it was 0.1
    assert not again.warnings and again.critique.regions[1].score == 0.9
    service.jobs.close()


@pytest.mark.process
def test_the_command_draws_although_its_critic_cannot_be_reached(tmp_path: Path, tiny_folder: Path) -> None:
    (tmp_path / "plan.json").write_text(plan_of(2).model_dump_json())
    model = {"DITPIPE_MODEL": str(tiny_folder)}
    run("render", "plan.json", "--steps", "2", "--out", "one.png", cwd=tmp_path, **model)
    nobody = ("--critic", "any", "--base-url", "http://127.0.0.1:9/v1")
    done = run("edit", "one.png", "--region", "thing 1", "--seed", "4", *nobody, "--json", cwd=tmp_path, **model)
    assert any(text.startswith("not compared with the picture before") for text in json.loads(done.stdout)["warnings"])
    assert (tmp_path / "one-edited.png").exists()
