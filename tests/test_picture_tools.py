"""The tools in a LangChain agent: LangChain's own standard suites for tools, then what only these tools promise."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from critics import Verdicts
from fakes import PATIENCE, Pleased, TwoThings, drawn, expected, tiny_agent
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from PIL import Image
from plans import listed_plan, plan_of
from pydantic import BaseModel
from waiting import auntil

from ditpipe import Agent, Critique, Renderer, ScenePlan
from ditpipe.agent.events import Critiqued, Finished, Planned, Rendered, Revised
from ditpipe.agent.wiring import paint_handler, picture_service, tools_for
from ditpipe.prompts.errors import JobCancelled
from ditpipe.renderer.pictures.artifacts import read_metadata, read_request
from ditpipe.tools.api_schema import PaintInput, Picture
from ditpipe.tools.jobs.engine import Job, JobContext
from ditpipe.tools.jobs.job_events import JobEvent, Stepped
from ditpipe.tools.jobs.service import PictureService
from ditpipe.tools.tool_spec import CallEvents, PictureTool, Progress


@pytest.fixture(scope="module")
def service(tiny: Renderer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PictureService]:
    service = picture_service(tiny_agent(tiny, tmp_path_factory.mktemp("pictures")), largest=256, patience=PATIENCE)
    yield service
    service.jobs.close()


@pytest.fixture(scope="module")
def tools(service: PictureService, tiny: Renderer) -> dict[str, BaseTool]:
    return {tool.name: tool.langchain() for tool in tools_for(service, tiny_agent(tiny, service.jobs.folder))}


@pytest.fixture(scope="module")
def finished(service: PictureService, tiny: Renderer) -> str:
    return drawn(service, tiny)


def call(tool: BaseTool, **arguments: Any) -> ToolMessage:
    message = tool.invoke({"type": "tool_call", "id": "1", "name": tool.name, "args": arguments})
    assert isinstance(message, ToolMessage)
    return message


BOX = {"left": 0.25, "top": 0.25, "right": 0.75, "bottom": 0.75}
EXAMPLES: dict[str, dict[str, Any]] = {
    "plan_picture": {"brief": "a red cat"},
    "render_picture": {"plan": plan_of(2).model_dump(), "steps": 2},
    "edit_region": {"id": ..., "region": "thing 1", "prompt": {"high_level": "b", "low_level": "blue"}},
    "add_region": {"id": ..., "region": "moon", "prompt": "white moon", "box": BOX},
    "remove_region": {"id": ..., "region": "thing 1"},
    "change_plan": {"plan": plan_of(2).model_dump(), "message": "swap the two"},
    "change_picture": {"id": ..., "message": "swap the two"},
    "critique_picture": {"id": ...},
    "get_picture": {"id": ...},
    "cancel_picture": {"id": ...},
    "paint_picture": {"brief": "a red cat", "rounds": 1},
}  # `...` stands for a picture that is done


class Examples:
    """Hands each tool with its example to LangChain's standard suites, one after the other."""

    @pytest.fixture(autouse=True, params=EXAMPLES)
    def _example(self, request: pytest.FixtureRequest, tools: dict[str, BaseTool], finished: str) -> None:
        self.tool_constructor = tools[request.param]
        filled = {name: finished if value is ... else value for name, value in EXAMPLES[request.param].items()}
        self.tool_invoke_params_example = filled


class TestUnit(Examples, ToolsUnitTests):
    tool_constructor = tool_invoke_params_example = None  # type: ignore[assignment]


class TestIntegration(Examples, ToolsIntegrationTests):
    tool_constructor = tool_invoke_params_example = None  # type: ignore[assignment]


def test_the_names_are_the_same_everywhere(tools: dict[str, BaseTool]) -> None:
    from ditpipe.tools import picture_tools

    assert set(tools) == set(EXAMPLES) == {tool.name for tool in picture_tools()}


def test_arguments_are_typed_down_to_the_box(tools: dict[str, BaseTool]) -> None:
    schema = tools["edit_region"].get_input_jsonschema()
    assert set(schema["$defs"]["Box"]["properties"]) == {"left", "top", "right", "bottom"}
    undescribed = [name for name, one in schema["properties"].items() if "description" not in one]
    assert not undescribed


def test_a_picture_is_text_for_the_model_and_files_as_the_artifact(tools: dict[str, BaseTool], tiny: Renderer) -> None:
    message = call(tools["render_picture"], plan=plan_of(2).model_dump(), steps=2, seed=5)
    picture = message.artifact
    assert isinstance(picture, Picture) and picture.path and picture.preview
    assert picture.id in message.content and "thing 0 (a, red)" in message.content and len(message.content) < 500
    assert Path(picture.path).read_bytes() == expected(tiny, plan_of(2), seed=5)
    assert Path(picture.preview).stat().st_size < Path(picture.path).stat().st_size


def test_an_edit_changes_one_region_only(tools: dict[str, BaseTool], finished: str) -> None:
    box = {"left": 0.5, "top": 0, "right": 1, "bottom": 0.5}
    edited = call(tools["edit_region"], id=finished, region="thing 1", box=box).artifact
    before, after = plan_of(2), edited.plan
    assert after.regions[0] == before.regions[0] and after.scene == before.scene
    assert after.regions[1].box.model_dump() == box and after.regions[1].prompt == before.regions[1].prompt
    files = [call(tools["get_picture"], id=one).artifact.path for one in (finished, edited.id)]
    first, second = (Image.open(file).crop((0, 0, 16, 96)).tobytes() for file in files)
    assert edited.id != finished and first == second


def test_a_region_is_added_and_one_is_removed(tools: dict[str, BaseTool], finished: str) -> None:
    more = call(tools["add_region"], id=finished, region="moon", prompt="white moon", box=BOX).artifact.plan
    assert more.regions[:2] == plan_of(2).regions and more.regions[2].prompt.high_level == "white moon"
    assert more.regions[2].z_order > max(region.z_order for region in more.regions[:2])
    less = call(tools["remove_region"], id=finished, region="thing 0").artifact.plan
    assert less.regions == plan_of(2).regions[1:]


def test_words_change_a_picture_as_in_the_chat(tools: dict[str, BaseTool], finished: str) -> None:
    swapped = call(tools["change_picture"], id=finished, message="swap the two").artifact.plan
    assert [region.box for region in swapped.regions] == [region.box for region in reversed(plan_of(2).regions)]
    left = call(tools["change_picture"], id=finished, message="remove thing 0").artifact.plan
    assert [region.name for region in left.regions] == ["thing 1"]
    again = call(tools["change_picture"], id=finished, message="try again").artifact
    assert again.plan == plan_of(2) and again.seed != 0
    for message, said in (("what is on the left?", "message:"), ("start over: a cat", "describes a new picture")):
        refused = call(tools["change_picture"], id=finished, message=message)
        assert refused.status == "error" and said in refused.content


def test_objects_that_a_host_sends_as_text_are_understood(tools: dict[str, BaseTool], finished: str) -> None:
    plan = plan_of(2).model_dump_json()
    assert call(tools["render_picture"], plan=plan, steps="2", seed="null").artifact.plan == plan_of(2)
    edited = call(tools["edit_region"], id=finished, region="thing 1", prompt="a blue dog", box=json.dumps(BOX))
    assert edited.artifact.plan.region("thing 1").prompt.text == "a blue dog"
    packed = json.dumps({"high_level": "dog", "low_level": "blue"})
    edited = call(tools["edit_region"], id=finished, region="thing 1", prompt=packed)
    assert edited.artifact.plan.region("thing 1").prompt.text == "blue dog"
    whole = plan_of(2).model_dump()
    first, second = ({key: json.dumps(value) for key, value in region.items()} for region in whole["regions"])
    first |= {"name": "thing 0", "prompt": first["prompt"], "negative": ""}
    second |= {"name": "thing 1", "prompt": whole["regions"][1]["prompt"], "negative": "", "feather": "None"}
    deep = whole | {"regions": json.dumps([first, second]), "negative": None, "width": ""}
    drawn_plan = call(tools["render_picture"], plan=deep, steps="2", guidance_scale="", solver="None").artifact.plan
    assert drawn_plan.regions == plan_of(2).regions and drawn_plan.width


def test_an_address_is_understood_as_the_id_in_it(tools: dict[str, BaseTool], finished: str) -> None:
    assert call(tools["get_picture"], id=f"picture://{finished}").artifact.id == finished


def test_what_is_no_object_is_said_with_what_belongs_in_it(tools: dict[str, BaseTool], finished: str) -> None:
    for name, arguments, said in (
        ("render_picture", {"plan": "a red cat"}, "plan: give an object with scene, regions"),
        ("add_region", {"id": finished, "region": "x", "prompt": "x", "box": "top"},
         "box: give an object with left, top, right, bottom"),
        ("add_region", {"id": finished, "region": "x", "prompt": "x", "box": [0, 0, 1, 1]},
         "box: give an object with left, top, right, bottom"),
    ):  # fmt: skip
        refused = call(tools[name], **arguments)
        assert refused.status == "error" and said in refused.content


def test_an_edit_tells_the_scene_what_is_there_now(tools: dict[str, BaseTool]) -> None:
    plan = listed_plan().model_copy(update={"width": 96, "height": 96}).model_dump()
    drawn_plan = call(tools["render_picture"], plan=plan, steps=1).artifact
    dog = {"high_level": "dog", "low_level": "blue"}
    change: dict[str, Any] = {"id": drawn_plan.id, "region": "cat", "prompt": dog}
    edited = call(tools["edit_region"], **change).artifact
    assert edited.plan.scene.high_level == "a blue dog on the left and a blue rocket on the right at night"
    said = call(tools["edit_region"], **change, scene={"high_level": "a dog"}).artifact
    assert said.plan.scene.high_level == "a dog"


def test_plan_critique_and_paint_give_typed_artifacts(tools: dict[str, BaseTool], finished: str) -> None:
    plan = call(tools["plan_picture"], brief="a cat", width=128, height=96).artifact
    assert isinstance(plan, ScenePlan) and (plan.width, plan.height) == (128, 96)
    assert isinstance(call(tools["critique_picture"], id=finished).artifact, Critique)
    painted = call(tools["paint_picture"], brief="a cat", width=128, height=96, seed=3).artifact
    assert (painted.plan.width, painted.plan.scene.high_level, painted.seed) == (128, "a cat", 3)


def test_what_the_model_got_wrong_it_is_told_in_one_line(tools: dict[str, BaseTool], finished: str) -> None:
    wrong: dict[str, tuple[str, dict[str, Any]]] = {
        "no region 'dog': the plan has thing 0, thing 1": ("edit_region", {"id": finished, "region": "dog"}),
        "nothing to change": ("edit_region", {"id": finished, "region": "thing 0"}),
        "no picture '" + "0" * 32: ("get_picture", {"id": "0" * 32}),
        "id: String should match pattern": ("get_picture", {"id": "../../etc/passwd"}),
        "plan.regions: Field required": ("render_picture", {"plan": {"scene": {"high_level": "x"}}}),
        "plan.width: Input should be less than or equal to 256": ("render_picture", {"plan": large_plan()}),
        "width: Input should be a multiple of 16": ("plan_picture", {"brief": "a cat", "width": 100}),
    }
    for said, (name, arguments) in wrong.items():
        message = call(tools[name], **arguments)
        assert message.status == "error" and "\n" not in message.content
        assert said in message.content, message.content


def large_plan() -> dict[str, Any]:
    return plan_of(2).model_copy(update={"width": 2048, "height": 2048}).model_dump()


class Listener(BaseCallbackHandler):
    """Keeps the progress events."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.steps.append((data["step"], data["steps"]))


def test_every_step_is_an_event(tools: dict[str, BaseTool]) -> None:
    listener, arguments = Listener(), {"plan": plan_of(2).model_dump(), "steps": 5}
    tools["render_picture"].invoke(arguments, {"callbacks": [listener]})
    assert listener.steps == [(step, 5) for step in range(1, 6)]


def test_the_steps_of_a_painting_with_candidates_never_go_back(tiny: Renderer, tmp_path: Path) -> None:
    critic = Verdicts(0.2, 0.1, 0.3, 0.4)  # the best of the first two is edited, once for each candidate
    planner = TwoThings()
    planner.tuned = True  # so that the rule revises
    painter = Agent(renderer=tiny, planner=planner, critic=critic, steps=3, rounds=2, candidates=2, out=tmp_path)
    service = picture_service(painter, largest=256, patience=PATIENCE)
    events: list[JobEvent] = []
    paint_handler(painter)({"brief": "a red cat"}, JobContext(tmp_path / "direct", events.append))
    steps = [event for event in events if isinstance(event, Stepped)]
    assert [(step.round, step.index, step.total) for step in steps] == [
        *((1, i, 3) for i in (1, 2, 3)), *((2, i, 6) for i in range(1, 7)),
    ]  # fmt: skip
    critic.scores += [0.2, 0.1, 0.3, 0.4]
    changes = list(service.follow(service.submit("paint", PaintInput(brief="a red cat"), caller="local")))
    service.jobs.close()
    told = [type(change) for change in changes if not isinstance(change, Job | Stepped)]
    assert told == [Planned, Rendered, Rendered, Critiqued, Revised, Rendered, Rendered, Critiqued, Finished]
    jobs = [change for change in changes if isinstance(change, Job)]
    assert [job.step for job in jobs] == sorted(job.step for job in jobs)
    assert (jobs[-1].status, jobs[-1].step, jobs[-1].steps) == ("done", 9, 9)


def test_a_cancel_while_the_planner_works_draws_nothing(tiny: Renderer, tmp_path: Path) -> None:
    events: list[JobEvent] = []
    context = JobContext(tmp_path / "job", events.append)
    context.stop.set()
    with pytest.raises(JobCancelled):
        paint_handler(tiny_agent(tiny, tmp_path))({"brief": "a red cat"}, context)
    assert events == []


async def test_a_call_that_is_cancelled_before_its_first_event_is_closed() -> None:
    entered, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def run(arguments: Any, caller: str) -> CallEvents:
        entered.set()
        go_on.wait(PATIENCE)
        try:
            yield None
        finally:
            closed.set()

    async def report(step: Progress) -> None:
        raise AssertionError

    tool = PictureTool("slow", "", BaseModel, BaseModel, {}, run)
    call = asyncio.create_task(tool.acall(None, "ann", report))
    await asyncio.to_thread(entered.wait, 10)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    go_on.set()
    assert await asyncio.to_thread(closed.wait, 10)


def test_a_call_that_does_not_wait_returns_a_handle(tools: dict[str, BaseTool]) -> None:
    handle = call(tools["render_picture"], plan=plan_of(2).model_dump(), steps=20, wait=False)
    assert handle.artifact.status in ("queued", "running") and "Ask get_picture" in handle.content
    assert call(tools["get_picture"], id=handle.artifact.id, wait=True).artifact.status == "done"


def test_a_picture_that_takes_too_long_comes_back_as_a_handle(tiny: Renderer, tmp_path: Path) -> None:
    agent = tiny_agent(tiny, tmp_path)
    service = picture_service(agent, patience=0)
    tools = {tool.name: tool.langchain() for tool in tools_for(service, agent)}
    handle = call(tools["render_picture"], plan=plan_of(2).model_dump(), steps=200).artifact
    assert handle.status in ("queued", "running")
    assert call(tools["cancel_picture"], id=handle.id).artifact.status == "cancelled"
    service.jobs.close()


def test_a_cancelled_call_ends_its_render(tools: dict[str, BaseTool], service: PictureService) -> None:
    async def give_up() -> None:
        task = asyncio.create_task(tools["render_picture"].ainvoke({"plan": plan_of(4).model_dump(), "steps": 200}))

        def is_running() -> bool:
            assert not task.done()
            return any(job.status == "running" for job in service.jobs.recent("local"))

        await auntil(is_running)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    cancelled = service.jobs.recent("local")[0]
    assert cancelled.status == "cancelled"
    drawn_again = call(tools["render_picture"], plan=plan_of(2).model_dump(), steps=1).artifact
    assert drawn_again.status == "done"  # the worker is free again
    assert service.jobs.get(cancelled.id, caller="local").step < 200


def test_one_caller_does_not_see_anothers_pictures(tools: dict[str, BaseTool], finished: str) -> None:
    as_other: RunnableConfig = {"configurable": {"caller": "somebody else"}}
    for name in ("get_picture", "critique_picture", "cancel_picture"):
        assert "no picture" in tools[name].invoke({"id": finished}, as_other)
    assert "no picture" in tools["edit_region"].invoke({"id": finished, "region": "thing 0", "seed": 1}, as_other)


class Scripted(GenericFakeChatModel):
    """A chat model with a script that takes any tools."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> "Scripted":
        return self


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_agent_uses_them_with_one_line(tools: dict[str, BaseTool], asynchronous: bool) -> None:
    paint = {"name": "paint_picture", "args": {"brief": "a red cat", "rounds": 1}, "id": "1", "type": "tool_call"}
    model = Scripted(messages=iter([AIMessage("", tool_calls=[paint]), AIMessage("Here it is.")]))
    agent, asked = create_agent(model, list(tools.values())), {"messages": [HumanMessage("paint a red cat")]}
    answer = asyncio.run(agent.ainvoke(asked)) if asynchronous else agent.invoke(asked)  # type: ignore[call-overload]
    *_, tool_message, last = answer["messages"]
    assert tool_message.artifact.status == "done" and Path(tool_message.artifact.path).exists()
    assert last.content == "Here it is."


def test_a_drawn_plan_has_the_agents_settings_and_can_be_edited_with_them(tiny: Renderer, tmp_path: Path) -> None:
    agent = Agent(
        renderer=tiny, planner=TwoThings(), critic=Pleased(), out=tmp_path, prompt_schedule="regions", guidance_scale=2,
        step_cache=0.2, steps=3, seed=8, save_memory="int8",
    )  # fmt: skip
    assert agent.with_settings(compile=True).request(plan_of(2)).compile  # drawn compiled in test_options.py
    service = picture_service(agent, patience=PATIENCE)
    tools = {tool.name: tool.langchain() for tool in tools_for(service, agent)}
    drawn_plan = call(tools["render_picture"], plan=plan_of(2).model_dump()).artifact
    edited = call(tools["edit_region"], id=drawn_plan.id, region="thing 1", seed=5).artifact
    for picture in (drawn_plan, edited):
        request = read_request(Path(picture.path))
        assert request.model_copy(update={"edits": []}) == agent.request(plan_of(2))
    other_path = call(tools["render_picture"], plan=plan_of(2).model_dump(), seed=1, steps=2).artifact.path
    other = read_request(Path(other_path))
    assert (other.seed, other.steps, other.step_cache) == (1, 2, 0.2)
    service.jobs.close()


def test_what_was_not_drawn_as_asked_is_said(tools: dict[str, BaseTool]) -> None:
    scene = {"high_level": "many things " * 80}
    message = call(tools["render_picture"], plan=plan_of(2).model_dump() | {"scene": scene}, steps=1)
    (warning,) = message.artifact.warnings
    assert "only the beginning of 'many things" in warning and f"Note: {warning}." in message.content
    assert read_metadata(Path(message.artifact.path))[1] == (warning,)
    assert call(tools["get_picture"], id=message.artifact.id).artifact.warnings == (warning,)
