"""Sizes, shapes and random seeds: as they are written, and on every face that has settings."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from chat_program import FixedPlanner, sessions
from fakes import PATIENCE, Pleased, TwoThings, drawn, ended, tiny_agent
from plans import plan_of
from pydantic import ValidationError
from typer.testing import CliRunner

from ditpipe import Agent, Renderer, RenderRequest, ScenePlan
from ditpipe.agent.cli.main import app
from ditpipe.agent.runs.folder import run_record
from ditpipe.agent.settings import Settings, settings_of
from ditpipe.agent.wiring import picture_service, plan_brief, tools_for
from ditpipe.prompts.errors import first_problem
from ditpipe.prompts.layout.canvas import canvas_size, read_aspect, read_size
from ditpipe.renderer.pictures.artifacts import read_request, write_result
from ditpipe.tools.api_schema import PaintInput

UNSIZED = plan_of(2).model_copy(update={"width": None, "height": None})


@pytest.mark.parametrize(
    ("size", "aspect", "sides"),
    [
        (None, None, (1024, 1024)), (512, None, (512, 512)), ("512", None, (512, 512)),
        ("1280x768", None, (1280, 768)), ("1280×768", None, (1280, 768)), (None, "16:9", (1360, 768)),
        (None, "9:16", (768, 1360)), (512, "2:1", (736, 368)), (None, "1:1", (1024, 1024)), (128, "3:4", (112, 144)),
    ],
)  # fmt: skip
def test_a_size_and_a_shape_become_pixels(size: object, aspect: str | None, sides: tuple[int, int]) -> None:
    read = None if size is None else read_size(size)
    assert canvas_size(read, aspect and read_aspect(aspect), side=1024) == sides


def test_sides_are_multiples_of_the_models_tokens() -> None:
    assert [Agent(model=name, aspect="16:9").size for name in ("pixart-sigma", "sana")] == [(1360, 768), (1376, 768)]
    with pytest.raises(ValueError, match=r"1040×768: sides are multiples of 32 in this model, 1024×768 is near"):
        _ = Agent(model="sana", size="1040x768").size


def test_other_settings_plan_on_their_own_canvas_with_the_planner_that_is_loaded() -> None:
    small = Agent(size=64, base_url="http://127.0.0.1:9/v1", planner="any")
    loaded = small.planner
    for options, size in (({}, (64, 64)), ({"size": "128x64"}, (128, 64)), ({"size": None}, (None, None))):
        agent = small.with_settings(**options)
        planner = agent.models.planner_for(agent.settings)
        assert (planner.width, planner.height) == size and planner.chat_model is loaded.chat_model
    assert (loaded.width, loaded.height) == (64, 64)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"size": 100}, "size: give pixels a side, such as 512, or WIDTHxHEIGHT, such as 1280x768: multiples of 16"),
        ({"size": "1280x4096"}, "size: give pixels a side"),
        ({"size": "big"}, "size: give pixels a side"),
        ({"aspect": "wide"}, "aspect: give WIDTH:HEIGHT, such as 16:9"),
        ({"aspect": "9:1"}, "aspect: give WIDTH:HEIGHT, such as 16:9, neither side more than 4 times the other"),
        ({"size": "128x64", "aspect": "2:1"}, "the size 128x64 has a shape already"),
        ({"seed": "any"}, "seed: a seed is a whole number from 0 to 4611686018427387903, or 'random'"),
        ({"seed": -1}, "seed: a seed is a whole number"),
    ],
)
def test_what_is_no_size_shape_or_seed_is_one_line(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        settings_of(**options)
    assert first_problem(raised.value).startswith(told)


# --- the faces --------------------------------------------------------------------------------------------------------


def test_an_agent_paints_in_a_size_or_shape(tiny: Renderer, tmp_path: Path) -> None:
    shapes: tuple[tuple[dict[str, Any], tuple[int, int]], ...] = (
        ({"size": "128x64"}, (128, 64)), ({"aspect": "2:1"}, (192, 96)),
    )  # fmt: skip
    for options, size in shapes:
        agent = Agent(renderer=tiny, critic="none", steps=1, out=tmp_path, **options)
        assert read_request(agent.paint("anything", plan=UNSIZED).path).plan.size == size
        assert plan_brief(Agent(renderer=tiny, planner="embedded", **options), "a red cat", None, None).size == size


def test_the_command_renders_in_a_size_or_shape_that_wins_over_the_plans(tiny: Renderer, tmp_path: Path) -> None:
    plan, picture = tmp_path / "plan.json", tmp_path / "a.png"
    plan.write_text(plan_of(2).model_dump_json())
    usual = ["render", str(plan), "--model", tiny.model, "--steps", "1", "--out", str(picture)]
    for options, size in (([], (96, 96)), (["--ar", "1:2"], (96, 192)), (["--size", "64x128"], (64, 128))):
        assert CliRunner().invoke(app, [*usual, *options]).exit_code == 0
        assert read_request(picture).plan.size == size
    assert CliRunner().invoke(app, usual, env={"DITPIPE_SIZE": "64"}).exit_code == 0
    assert read_request(picture).plan.size == (96, 96)  # where nothing else says it


def test_the_command_plans_in_a_shape(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["plan", "a red cat", "--planner", "embedded", "--ar", "16:9", "--json"])
    assert ScenePlan.model_validate_json(done.stdout).size == (352, 192)


def test_a_chat_draws_in_a_shape(tiny: Renderer, tmp_path: Path) -> None:
    agent = Agent(renderer=tiny, planner=FixedPlanner(), critic="none", steps=1, aspect="2:1")
    session = sessions(tmp_path, agent).new()
    list(session.say("a red cat on the left"))
    assert session.picture and session.picture.size == (192, 96)


def test_tools_and_servers_draw_in_a_shape_and_say_it(tiny: Renderer, tmp_path: Path) -> None:
    agent = Agent(renderer=tiny, planner=TwoThings(), critic=Pleased(), steps=1, aspect="2:1", out=tmp_path)
    tools = {tool.name: tool for tool in tools_for(picture_service(agent), agent)}
    sides = tools["render_picture"].args_schema.model_json_schema()["$defs"]["ScenePlan"]["properties"]
    assert (sides["width"]["default"], sides["height"]["default"]) == (192, 96)


def test_a_caller_names_a_shape(tiny: Renderer, tmp_path: Path) -> None:
    service = picture_service(tiny_agent(tiny, tmp_path), patience=PATIENCE)
    with closing(service.jobs):
        job = ended(service, service.submit("paint", PaintInput(brief="a cat", aspect="2:1"), caller="local"))
        assert read_request(service.jobs.file(job)).plan.size == (192, 96)
    agent = Agent(renderer=tiny, planner="embedded", size=96)
    plan = next(tool for tool in tools_for(picture_service(agent), agent) if tool.name == "plan_picture")
    planned = plan.call(plan.args_schema(brief="a red cat", aspect="1:1"), "local", lambda step: None)[1]
    assert isinstance(planned, ScenePlan) and planned.size == (96, 96)
    for options, told in (({"width": 96}, "give the aspect, or width and height"), ({"aspect": "1:9"}, "4 times")):
        with pytest.raises(ValidationError, match=told):
            PaintInput.model_validate({"brief": "a cat", "aspect": "2:1"} | options)


def test_a_random_seed_is_another_one_for_each_picture_and_stands_in_it(tiny: Renderer, tmp_path: Path) -> None:
    agent = Agent(renderer=tiny, critic="none", steps=1, seed="random", out=tmp_path)
    first, second = (agent.paint("anything", plan=plan_of(2)) for _ in range(2))
    seeds = [read_request(painting.path).seed for painting in (first, second)]
    assert seeds[0] != seeds[1]
    assert [run_record(painting.folder).settings["seed"] for painting in (first, second)] == seeds


def test_a_run_with_a_random_seed_goes_on_with_its_own(tiny: Renderer, tmp_path: Path) -> None:
    agent = Agent(renderer=tiny, critic="none", steps=1, seed="random", out=tmp_path, approve=True)
    *_, waiting = agent.stream("anything", plan=plan_of(2))
    *_, finished = agent.resume(waiting.folder, approved=True)  # type: ignore[union-attr]
    painting = finished.painting  # type: ignore[union-attr]
    assert read_request(painting.path).seed == run_record(painting.folder).settings["seed"]


def test_the_command_prints_a_random_seed_and_gives_it_in_json(tiny: Renderer, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(plan_of(2).model_dump_json())
    usual = ["--model", tiny.model, "--steps", "1", "--seed", "random", "--json"]
    out = tmp_path / "runs"
    for command in (["render", str(plan)], ["paint", "a cat", "--rounds", "1", "--out", str(out)]):
        done = CliRunner().invoke(app, [*command, *usual], env={"DITPIPE_PLANNER": "embedded"})
        answer = json.loads(done.stdout)
        assert f"seed {answer['seed']}" in done.stderr
        assert read_request(Path(answer["picture"])).seed == answer["seed"]
    assert "are not judged" in answer["warnings"][0], "of this model nobody knows how to judge pictures"


def test_a_region_is_drawn_from_a_random_seed_that_is_printed(tiny: Renderer, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    write_result(picture, tiny.render(RenderRequest(plan=plan_of(2), steps=1)))
    usual = ["edit", str(picture), "--model", tiny.model, "--critic", "none", "--region", "thing 0", "--seed"]
    done = CliRunner().invoke(app, [*usual, "random"])
    seed = read_request(tmp_path / "a-edited.png").edited_plan.region("thing 0").seed
    assert seed is not None and f"seed {seed}" in done.stderr
    assert "a seed is a whole number" in str(CliRunner().invoke(app, [*usual, "ten"]).exception)


def test_a_chat_tells_a_random_seed(tiny: Renderer, tmp_path: Path) -> None:
    agent = Agent(renderer=tiny, planner=FixedPlanner(), critic="none", steps=1, size=96, seed="random")
    session = sessions(tmp_path, agent).new()
    list(session.say("a red cat on the left"))
    turn = session.turns[-1]
    assert turn.seed is not None and f"the seed is {turn.seed}" in turn.reply


def test_jobs_of_a_server_with_random_seeds_differ(tiny: Renderer, tmp_path: Path) -> None:
    agent = tiny_agent(tiny, tmp_path).with_settings(seed="random")
    service = picture_service(agent, patience=PATIENCE)
    with closing(service.jobs):
        jobs = [service.jobs.get(drawn(service, tiny), caller="local") for _ in range(2)]
        seeds = [read_request(service.jobs.file(job)).seed for job in jobs]
    assert seeds[0] != seeds[1]


def test_a_setting_keeps_what_it_was_given() -> None:
    settings = Settings(size="640×384", seed="random")
    assert (settings.size, settings.seed) == ("640x384", "random")
    assert Settings(**settings.model_dump()) == settings
