"""Every example, run as a reader runs it, with a scripted model where the reader names a real one."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import Model, ModelResponse, Usage, set_tracing_disabled
from fakes import PATIENCE, Pleased, TwoThings, tiny_agent
from http_servers import listening
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from PIL import Image
from planner_replies import region, whole
from scripted import Scripted

from ditpipe import Renderer
from ditpipe.agent.planning.planner import Planner
from ditpipe.agent.wiring import critique_of, picture_service, plan_brief, tools_for
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS
from ditpipe.tools.auth import Keys
from ditpipe.tools.http_service import http_service
from ditpipe.tools.mcp_server import http_app, mcp_server

LETTERED = whole(region("sign", [100, 0, 900, 300], "a wooden sign", "carved", lettering="OPEN LATE"), high="a shop")
EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name: str) -> Any:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]


class ScriptedChat(GenericFakeChatModel):
    def bind_tools(self, tools: Any, **kwargs: Any) -> "ScriptedChat":
        return self


def test_langchain_agent(tiny: Renderer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paint = {"name": "paint_picture", "args": {"brief": "a red cat", "rounds": 1}, "id": "1", "type": "tool_call"}
    model = ScriptedChat(messages=iter([AIMessage("", tool_calls=[paint]), AIMessage("Here it is.")]))
    (path,) = example("langchain_agent")(
        model, "a red cat", renderer=tiny, planner=TwoThings(), critic=Pleased(), steps=2, out=tmp_path
    )
    assert Image.open(path).size == (96, 96) and capsys.readouterr().out == "Here it is.\n"


def test_real_models(tiny_folder: Path, tmp_path: Path) -> None:
    """A capable planner over a checkpoint in the published format; a model that is not there is a line of the page."""
    plan = Planner(Scripted(replies=[LETTERED, "no plan", "no plan", "no plan"]))
    page = example("real_models")(
        [str(tiny_folder), str(tmp_path / "nothing")], briefs=["书店", "a brief without a plan"], out=tmp_path,
        planner=plan, critic=Pleased(), steps=2, size=96,
    )  # fmt: skip
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/png;base64") == 1 and text.count("Not drawn: ") == 3
    assert "OPEN LATE" in text and "left:10.0%" in text and "书店" in text


@pytest.fixture
def service(tiny: Renderer, tmp_path: Path) -> Iterator[str]:
    agent = tiny_agent(tiny, tmp_path / "runs")
    app = http_service(
        picture_service(agent, patience=PATIENCE),
        checkpoint=CHECKPOINTS["pocket"], critique=critique_of(agent), keys=Keys(), version="0",
        request_for=agent.request, plan=lambda *brief: plan_brief(agent, *brief),
    )  # fmt: skip
    with listening(app) as address:
        yield address


def test_openai_client(service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Image.open(example("openai_client")(f"{service}/v1", str(tmp_path))).size == (96, 96)
    assert capsys.readouterr().out.split() == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


@pytest.mark.process
async def test_mcp_client(tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--model", str(tiny_folder), "--critic", "none", "--steps", "3", "--out", str(tmp_path)]
    picture = await example("mcp_client")(*options)
    assert Image.open(picture["path"]).size == (128, 128) and "step 3 of 3" in capsys.readouterr().out
    assert [region["prompt"]["low_level"] for region in picture["plan"]["regions"]] == ["red", "yellow"]


class ScriptedModel(Model):
    """Calls render_picture once, then says what the tool answered."""

    async def get_response(self, system_instructions: Any, input: Any, *rest: Any, **more: Any) -> ModelResponse:
        answers = [item for item in input if "output" in item] if isinstance(input, list) else []
        if not answers:
            call = ResponseFunctionToolCall(
                type="function_call", call_id="1", name="paint_picture", arguments='{"brief": "a red cat", "rounds": 1}'
            )
            return ModelResponse(output=[call], usage=Usage(), response_id=None)
        text = ResponseOutputText(type="output_text", text=str(answers[0]["output"]), annotations=[])
        message = ResponseOutputMessage(
            id="2", type="message", role="assistant", status="completed", content=[text]
        )  # fmt: skip
        return ModelResponse(output=[message], usage=Usage(), response_id=None)

    def stream_response(self, *arguments: Any, **more: Any) -> Any:
        raise AssertionError("not streamed")


async def test_openai_agent_over_mcp(tiny: Renderer, tmp_path: Path) -> None:
    set_tracing_disabled(True)  # it would report to OpenAI
    agent = tiny_agent(tiny, tmp_path)
    service = picture_service(agent, patience=PATIENCE)
    server = mcp_server(tools_for(service, agent), service, version="0", local=False)
    with listening(http_app(server, host="127.0.0.1", keys=Keys())) as address:
        said = await example("openai_agent_over_mcp")(f"{address}/mcp", ScriptedModel(), "a red cat")
    assert "is done: 96×96 pixels" in said and service.jobs.recent("local")[0].id in said
