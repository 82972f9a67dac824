"""A model on a server behind each interface: a ditpipe server, the agent, the command, the HTTP service."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import PATIENCE, Pleased, TwoThings, tiny_agent
from fastapi import FastAPI
from http_servers import listening
from image_servers import draws, image_server, pictures, png
from PIL import Image
from plans import changed, plan_of
from typer.testing import CliRunner

from ditpipe import Agent, Critique, LeveledPrompt, Renderer, RenderRequest, RenderResult, Revision, ScenePlan
from ditpipe.agent.cli.main import app
from ditpipe.agent.wiring import change_reader, critique_of, local_engine, picture_service, plan_brief
from ditpipe.prompts.critique import RegionScore
from ditpipe.prompts.errors import JobCancelled, ModelError, RenderError
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS
from ditpipe.renderer.pictures.artifacts import read_metadata, read_result, write_result
from ditpipe.renderer.regions.prompt_schedule import preset
from ditpipe.renderer.remote.remote_renderer import RemoteRenderer
from ditpipe.renderer.request import Step
from ditpipe.tools.api_schema import RenderInput
from ditpipe.tools.auth import Keys
from ditpipe.tools.http_service import http_service
from ditpipe.tools.jobs.engine import Job
from ditpipe.tools.jobs.follow import follow

CHANGE = Revision(changes=[RegionChange(name="thing 0", prompt=LeveledPrompt(high_level="an owl"))])


def request_of(plan: ScenePlan | None = None, **fields: Any) -> RenderRequest:
    return RenderRequest.model_validate({"plan": plan or plan_of(2)} | fields)


# --- a ditpipe server -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elsewhere(tiny: Renderer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ditpipe server that draws with the tiny model and calls it 'pocket'."""
    agent = tiny_agent(tiny, tmp_path_factory.mktemp("elsewhere"))
    service = http_service(
        picture_service(agent, largest=192, patience=PATIENCE), checkpoint=CHECKPOINTS["pocket"],
        critique=critique_of(agent), keys=Keys(), request_for=agent.request,
        plan=lambda *brief: plan_brief(agent, *brief), version="0", read=change_reader(agent),
    )  # fmt: skip
    with listening(service) as address:
        yield f"{address}/v1"


def test_a_ditpipe_server_obeys_the_plan(elsewhere: str, tiny: Renderer, tmp_path: Path) -> None:
    steps: list[Step] = []
    renderer = RemoteRenderer(f"{elsewhere}#pocket")
    request = request_of(seed=7, steps=2)
    result = renderer.render(request, steps.append)
    assert result.image.tobytes() == tiny.render(request).image.tobytes()
    assert steps[-1].total == 2 and result.request.seed == 7 and result.request.model == f"{elsewhere}#pocket"
    edited = renderer.edit(result, CHANGE)
    assert edited.image.tobytes() == tiny.edit(tiny.render(request), CHANGE).image.tobytes()
    write_result(tmp_path / "a.png", edited)
    stored = read_result(tmp_path / "a.png")
    assert isinstance(stored, RenderResult)
    more = Revision(changes=[RegionChange(name="thing 1", seed=3)])
    by_another = RemoteRenderer(f"{elsewhere}#pocket").edit(stored, more)  # which does not know its id
    assert by_another.image.tobytes() == renderer.edit(edited, more).image.tobytes()
    first, second = renderer.candidates(request, 2)
    assert first.image.tobytes() == result.image.tobytes() != second.image.tobytes()


def test_of_a_plan_on_a_ditpipe_server_only_what_it_does_not_take_is_said(elsewhere: str) -> None:
    plan = changed(plan_of(2), negative="a", seed=4, feather=1.0, strength=0.9)
    renderer = RemoteRenderer(f"{elsewhere}#pocket")
    assert renderer.render(request_of(plan, steps=2, guidance_scale=3, solver="euler")).warnings == ()
    warned = renderer.render(request_of(plan, steps=2, dtype="bfloat16", prompt_schedule=preset("regions"))).warnings
    assert [words in warning for words, warning in zip(("prompt_schedule", "dtype"), warned, strict=True)] == [True] * 2


def test_a_ditpipe_server_says_what_it_serves_and_why_it_does_not_draw(elsewhere: str) -> None:
    with pytest.raises(ModelError, match="serves pocket, not 'sdxl'"):
        RemoteRenderer(f"{elsewhere}#sdxl").render(request_of())
    large = plan_of(2).model_copy(update={"width": 512, "height": 512})
    with pytest.raises(RenderError, match="512×512 pixels are too many"):
        RemoteRenderer(elsewhere).render(request_of(large))

    def cancel(step: Step) -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        RemoteRenderer(elsewhere).render(request_of(steps=200), cancel)


# --- the agent and its faces ------------------------------------------------------------------------------------------


class Plain(TwoThings):
    """A planner whose model can do nothing else: what is weak is revised by a rule."""

    tuned = True


class Strict:
    """A critic that likes the second picture."""

    def __init__(self) -> None:
        self.seen = 0

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        self.seen += 1
        score = 1.0 if self.seen > 1 else 0.2
        return Critique(score=score, regions=[RegionScore(name=r.name, score=score, seen="?") for r in plan.regions])


def test_the_loop_draws_on_a_server_and_goes_on_where_it_was(tmp_path: Path) -> None:
    with image_server(draws()) as server:
        agent = Agent(model=f"{server.url}#any", planner=Plain(), critic=Strict(), rounds=2, out=tmp_path)
        painting = agent.paint("two things", plan=plan_of(2))
        assert [call.path for call in server.calls] == ["models", "images/generations", "images/edits"]
        request, warnings = read_metadata(painting.path)
        assert request.model == f"{server.url}#any" and len(request.edits) == 1 and len(painting.rounds) == 2
        assert any("need not keep to them" in warning for warning in warnings)
        *_, last = agent.resume(painting.folder)  # it is finished: nothing is asked again
        assert len(server.calls) == 3 and last.painting.path == painting.path  # type: ignore[union-attr]


def test_a_strangers_picture_or_run_asks_no_server_before_somebody_agrees(tmp_path: Path) -> None:
    file, again = tmp_path / "a.png", tmp_path / "again.png"
    with image_server(draws()) as server:
        write_result(file, RemoteRenderer(f"{server.url}#any").render(request_of()))
        Agent(model=f"{server.url}#any", planner=TwoThings(), critic=Pleased(), rounds=1, out=tmp_path / "runs").paint(
            "x"
        )
        (run,) = (tmp_path / "runs").iterdir()
        before = len(server.calls)
        editing = ["edit", str(file), "--region", "thing 0", "--seed", "1"]
        for command in (["repaint", str(file)], editing, ["resume", str(run)]):
            refused = CliRunner().invoke(app, command)
            assert refused.exit_code and f"--model '{server.url}#any'" in str(refused.exception), refused.output
        assert len(server.calls) == before
        agreed = ["repaint", str(file), "--out", str(again), "--model", f"{server.url}#any", "--json"]
        assert CliRunner().invoke(app, agreed).exit_code == 0 and again.exists()
        Image.new("RGB", (96, 96), "blue").save(file, pnginfo=_note(file))
        done = CliRunner().invoke(app, agreed)
        assert "the pixels are not those of the file" in done.stdout


def _note(file: Path) -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    with Image.open(file) as image:
        info.add_itxt("ditpipe", image.info["ditpipe"])
    return info


def test_a_service_before_a_server_draws_and_edits(tmp_path: Path) -> None:
    with image_server(draws()) as server:
        agent = Agent(model=f"{server.url}#any", planner=TwoThings(), critic=Pleased(), rounds=1, out=tmp_path)
        service = http_service(
            picture_service(agent, patience=PATIENCE), checkpoint=agent.checkpoint, critique=critique_of(agent),
            keys=Keys(), request_for=agent.request, plan=lambda *brief: plan_brief(agent, *brief), version="0",
        )  # fmt: skip
        with listening(service) as address:
            there = RemoteRenderer(f"{address}/v1")  # a ditpipe before a server
            drawn = there.render(request_of())
            edited = there.edit(drawn, CHANGE)
    assert [call.path for call in server.calls] == ["models", "images/generations", "images/edits"]
    assert any("need not keep to them" in warning for warning in edited.warnings)


def test_pictures_of_a_server_are_asked_for_at_the_same_time(tmp_path: Path) -> None:
    server, together = FastAPI(), threading.Barrier(3)

    @server.post("/v1/images/generations")
    def generate(asked: dict[str, Any]) -> dict[str, Any]:
        together.wait(PATIENCE)
        return pictures(png())

    with listening(server) as address:
        agent = Agent(model=f"{address}/v1#any", critic="none", out=tmp_path)
        engine = local_engine(agent, folder=tmp_path)
        inputs = [RenderInput(plan=plan_of(2), seed=seed).model_dump(mode="json") for seed in range(3)]
        jobs = [engine.submit("render", given) for given in inputs]
        ends = [list(follow(engine, job, patience=PATIENCE))[-1] for job in jobs]
        engine.close()
    assert [isinstance(end, Job) and end.status for end in ends] == ["done"] * 3


@pytest.mark.process
def test_no_torch_is_loaded_for_a_server(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(plan_of(2).model_dump_json())
    code = """if True:
        import sys
        from ditpipe.agent.cli.main import app
        app(sys.argv[1:], standalone_mode=False)
        assert "torch" not in sys.modules, "torch was loaded"
    """
    with image_server(draws()) as server:
        words = ["render", "plan.json", "--model", f"{server.url}#any", "--critic", "none"]
        done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / "plan.png").exists(), done.stderr
