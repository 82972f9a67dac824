"""A model that says what it draws: every way in tells it, and what of a picture is beyond it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import PATIENCE, Pleased, TwoThings
from http_servers import listening
from mcp import Client
from openai import OpenAI
from plans import plan_of

from ditpipe import Agent, Renderer, ScenePlan
from ditpipe.agent.wiring import change_reader, critique_of, picture_service, plan_brief, tools_for
from ditpipe.renderer.pictures.artifacts import read_metadata
from ditpipe.tools.auth import Keys
from ditpipe.tools.http_service import http_service
from ditpipe.tools.jobs.service import PictureService
from ditpipe.tools.mcp_server import http_app, mcp_server

BRIEF = "a red cat with an umbrella"
SHAPES = "the model cannot draw a or a b: a coloured shape stands there"
LEFT_OUT = "left out of the plan: 'umbrella', 'cat'"


class Forgetful(TwoThings):
    """A planner that answers every brief with the things 'a' and 'b', and says so."""

    def plan(self, brief: str) -> ScenePlan:
        return plan_of(2).with_notes([LEFT_OUT])


@pytest.fixture(scope="module")
def agent(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Agent:
    folder = tmp_path_factory.mktemp("limited") / "model"
    shutil.copytree(tiny_folder, folder)
    (folder / "vocabulary.json").write_text(json.dumps({"subjects": {"cat": ["cat"]}, "colours": {"red": ["red"]}}))
    renderer = Renderer(str(folder))
    return Agent(renderer=renderer, planner=Forgetful(), critic=Pleased(), steps=2, out=folder.parent / "runs")


@pytest.fixture(scope="module")
def service(agent: Agent) -> Iterator[PictureService]:
    service = picture_service(agent, patience=PATIENCE)
    yield service
    service.jobs.close()


def test_tools_say_what_can_be_drawn_and_what_was_not(service: PictureService, agent: Agent) -> None:
    tools = {tool.name: tool.langchain() for tool in tools_for(service, agent)}
    for name in ("plan_picture", "render_picture", "paint_picture"):
        assert "draws 1 things: cat; 1 colours: red" in tools[name].description
    call = {"type": "tool_call", "id": "1", "name": "paint_picture", "args": {"brief": BRIEF, "rounds": 1}}
    message = tools["paint_picture"].invoke(call)
    picture = message.artifact
    assert LEFT_OUT in picture.warnings and SHAPES in picture.warnings
    assert picture.critique and [region.score for region in picture.critique.regions] == [1, 1]
    assert "score 1.00" in message.content and f"Note: {SHAPES}." in message.content
    assert SHAPES in read_metadata(Path(picture.path))[1]


def test_http_and_the_images_api_tell_it(service: PictureService, agent: Agent) -> None:
    app = http_service(
        service, checkpoint=agent.checkpoint, critique=critique_of(agent), keys=Keys(), read=change_reader(agent),
        request_for=agent.request, plan=lambda *brief: plan_brief(agent, *brief), version="0",
    )  # fmt: skip
    with listening(app) as address:
        client = OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
        (model,) = client.models.list()
        answer = client.images.generate(prompt=BRIEF)
        streamed = list(client.images.generate(prompt=BRIEF, stream=True))[-1].model_extra or {}
    row: Any = (answer.data or [])[0]
    assert "cat" in (model.model_extra or {})["draws"]
    assert (answer.model_extra or {})["warnings"] == streamed["warnings"] == [LEFT_OUT, SHAPES]
    assert SHAPES in row.revised_prompt and LEFT_OUT in streamed["revised_prompt"] and row.score == 1


async def test_mcp_tells_it_before_anything_is_drawn(service: PictureService, agent: Agent) -> None:
    server = mcp_server(tools_for(service, agent), service, version="0", local=False, draws=agent.vocabulary_summary)
    with listening(http_app(server, host="127.0.0.1", keys=Keys())) as address:
        async with Client(f"{address}/mcp") as client:
            assert "1 things: cat" in (client.instructions or "")
            prompt: Any = await client.get_prompt("plan", {"brief": "a cat"})
            assert "1 things: cat" in prompt.messages[0].content.text
