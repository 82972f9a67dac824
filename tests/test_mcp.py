"""The MCP server with the official client over real HTTP and real stdio, and with the official inspector."""

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import pytest
from fakes import TwoThings, drawn, expected, tiny_agent
from http_servers import listening
from jsonschema import validate  # type: ignore[import-untyped]
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError
from PIL import Image
from plans import plan_of
from waiting import auntil

from ditpipe import Agent, Renderer, ScenePlan
from ditpipe.agent.wiring import picture_service, tools_for
from ditpipe.tools.auth import Keys
from ditpipe.tools.jobs.queue import JobQueue
from ditpipe.tools.jobs.service import PictureService
from ditpipe.tools.mcp_server import http_app, mcp_server

PLAN = plan_of(2).model_dump()


@pytest.fixture(scope="module")
def service(tiny: Renderer, tmp_path_factory: pytest.TempPathFactory) -> PictureService:
    return picture_service(tiny_agent(tiny, tmp_path_factory.mktemp("mcp")), largest=256, patience=600)


@pytest.fixture(scope="module")
def address(service: PictureService, tiny: Renderer) -> Iterator[str]:
    tools = tools_for(service, tiny_agent(tiny, service.jobs.folder))
    server = mcp_server(tools, service, version="0", local=False)
    with listening(http_app(server, host="127.0.0.1", keys=Keys())) as address:
        yield f"{address}/mcp"


@pytest.fixture(scope="module")
def finished(service: PictureService, tiny: Renderer, address: str) -> str:
    return drawn(service, tiny)


def arguments(finished: str) -> dict[str, dict[str, Any]]:
    """A call of every tool."""
    return {
        "plan_picture": {"brief": "a red cat"},
        "render_picture": {"plan": PLAN, "steps": 2},
        "edit_region": {"id": finished, "region": "thing 1", "seed": 5},
        "add_region": {"id": finished, "region": "moon", "prompt": "white moon", "box": PLAN["regions"][0]["box"]},
        "remove_region": {"id": finished, "region": "thing 1"},
        "change_plan": {"plan": PLAN, "message": "swap the two"},
        "change_picture": {"id": finished, "message": "swap the two"},
        "critique_picture": {"id": finished},
        "get_picture": {"id": finished},
        "cancel_picture": {"id": finished},
        "paint_picture": {"brief": "a red cat", "rounds": 1},
    }


@pytest.mark.slow
async def test_every_tool_answers_by_its_output_schema(address: str, finished: str) -> None:
    async with Client(address) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        calls = arguments(finished)
        assert set(tools) == set(calls)
        hints = {name: tool.annotations for name, tool in tools.items() if tool.annotations}
        assert hints["get_picture"].read_only_hint and hints["cancel_picture"].destructive_hint
        for name, call in calls.items():
            answer = await client.call_tool(name, call)
            assert not answer.is_error and tools[name].output_schema, answer
            validate(answer.structured_content, tools[name].output_schema)


class Noting(TwoThings):
    """A planner that leaves something out, and says so."""

    def plan(self, brief: str) -> ScenePlan:
        return super().plan(brief).with_notes(["left out of the plan: 'zeppelin'"])


async def test_what_a_plan_left_out_is_in_every_answer_about_it(tiny: Renderer, tmp_path: Path) -> None:
    agent = Agent(renderer=tiny, planner=Noting(), critic="none", steps=1, out=tmp_path)
    service = picture_service(agent, patience=600)
    server = mcp_server(tools_for(service, agent), service, version="0", local=True)
    with listening(http_app(server, host="127.0.0.1", keys=Keys())) as address:
        async with Client(f"{address}/mcp") as client:  # it checks what comes against the schema
            plan: Any = (await client.call_tool("plan_picture", {"brief": "a zeppelin"})).structured_content
            drawn_plan: Any = await client.call_tool("render_picture", {"plan": plan})
            painted: Any = await client.call_tool("paint_picture", {"brief": "a zeppelin", "rounds": 1})
    assert plan["notes"] == ["left out of the plan: 'zeppelin'"]
    for answer in (drawn_plan, painted):
        assert answer.structured_content["warnings"][0] == "left out of the plan: 'zeppelin'"
        assert "Note: left out of the plan: 'zeppelin'." in answer.content[0].text


async def test_a_file_that_is_gone_is_not_listed(address: str, tiny: Renderer, service: PictureService) -> None:
    async with Client(address) as client:
        gone, here = drawn(service, tiny), drawn(service, tiny)
        (service.jobs.folder / "pictures" / f"{gone}.png").unlink()
        listed = {resource.name for resource in (await client.list_resources()).resources}
        assert here in listed and gone not in listed


async def test_a_picture_is_a_small_preview_and_a_link_to_the_whole(address: str, tiny: Renderer) -> None:
    async with Client(address) as client:
        answer = await client.call_tool("render_picture", {"plan": PLAN, "steps": 2, "seed": 4})
        blocks: list[Any] = list(answer.content)
        text, preview, link = blocks
        whole: Any = (await client.read_resource(str(link.uri))).contents[0]
        listed = [resource.uri for resource in (await client.list_resources()).resources]
        template = (await client.list_resource_templates()).resource_templates[0]
    assert base64.b64decode(whole.blob) == expected(tiny, plan_of(2), seed=4)
    assert Image.open(BytesIO(base64.b64decode(preview.data))).size == (48, 48)
    assert whole.blob not in answer.model_dump_json() and len(text.text) < 500
    assert link.uri in listed and template.uri_template == "picture://{id}"
    assert answer.structured_content["path"] is None
    assert "/" not in text.text and "None" not in text.text  # no file of the server is named


async def test_progress_comes_with_every_step(address: str) -> None:
    seen: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total))

    async with Client(address) as client:
        await client.call_tool("render_picture", {"plan": PLAN, "steps": 5}, progress_callback=note)
    assert seen == [(step, 5) for step in range(1, 6)]


async def cancelled_after_some_steps(client: Client, status_of: Callable[[], str]) -> None:
    started = anyio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        started.set()

    async with anyio.create_task_group() as group:
        arguments = {"plan": plan_of(4).model_dump(), "steps": 200}
        group.start_soon(lambda: client.call_tool("render_picture", arguments, progress_callback=note))
        await started.wait()
        group.cancel_scope.cancel()
    await auntil(lambda: status_of() != "running")
    assert status_of() == "cancelled"


async def test_cancelling_the_request_ends_the_render(address: str, service: PictureService) -> None:
    async with Client(address) as client:
        await cancelled_after_some_steps(client, lambda: service.jobs.recent("local")[0].status)
        again = await client.call_tool("render_picture", {"plan": PLAN, "steps": 1})
    assert again.structured_content["status"] == "done"


async def test_mistakes_are_told_to_the_model(address: str) -> None:
    async with Client(address) as client:
        wrong: Any = await client.call_tool("get_picture", {"id": "../../../etc/passwd"})
        assert wrong.is_error and "String should match pattern" in wrong.content[0].text
        for uri in ("picture://" + "0" * 32, "picture://../jobs.sqlite", "file:///etc/passwd"):
            with pytest.raises(MCPError, match="no picture"):
                await client.read_resource(uri)
        with pytest.raises(MCPError, match="unknown tool 'paint': one of plan_picture"):
            await client.call_tool("paint", {})


async def test_the_prompt_carries_the_brief(address: str) -> None:
    async with Client(address) as client:
        names = [prompt.name for prompt in (await client.list_prompts()).prompts]
        prompt: Any = await client.get_prompt("plan", {"brief": "a cat for $5"})
    assert names == ["plan"] and prompt.messages[0].content.text.endswith("Brief: a cat for $5")


@asynccontextmanager
async def over_stdio(folder: Path, tiny_folder: Path) -> Any:
    command = StdioServerParameters(
        command=str(Path(sys.executable).parent / "ditpipe"), cwd=folder,
        args=["mcp", "--model", str(tiny_folder), "--critic", "none", "--steps", "2"],
        env={"XDG_DATA_HOME": str(folder / "data")},
    )  # fmt: skip
    async with Client(stdio_client(command)) as client:
        yield client


@pytest.mark.process
async def test_stdio_draws_the_same_picture_and_names_its_file(
    tmp_path: Path, tiny_folder: Path, tiny: Renderer
) -> None:
    runs = tmp_path / "data" / "ditpipe" / "runs"  # whatever folder the client started it in
    async with over_stdio(tmp_path, tiny_folder) as client:
        answer = await client.call_tool("render_picture", {"plan": PLAN, "steps": 2, "seed": 4})
        path = Path(answer.structured_content["path"])
        assert path.is_relative_to(runs) and path.read_bytes() == expected(tiny, plan_of(2), seed=4)
        handle = await client.call_tool("render_picture", {"plan": PLAN, "steps": 2, "wait": False})
        picture = handle.structured_content["id"]
        done = await client.call_tool("get_picture", {"id": picture, "wait": True})
        assert done.structured_content["status"] == "done"
        queue = JobQueue(runs / "jobs.sqlite")
        await cancelled_after_some_steps(client, lambda: queue.recent("local")[0].status)


@pytest.mark.process
@pytest.mark.skipif(shutil.which("npx") is None, reason="needs npx for the inspector of the MCP project")
def test_the_inspector_lists_every_tool_and_calls_some(address: str, finished: str) -> None:
    def inspect(*arguments: str) -> Any:
        inspector = ["npx", "-y", "@modelcontextprotocol/inspector@2.12.0", "--cli", address, "--transport", "http"]
        done = subprocess.run([*inspector, *arguments], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    names = {tool["name"] for tool in inspect("--method", "tools/list")["tools"]}
    calls = arguments(finished)
    assert names == set(calls)
    for name in (
        "edit_region",
        "change_plan",
        "get_picture",
    ):  # each is a process of seconds: numbers, objects, pictures
        call = calls[name]
        pairs = [f"{key}={json.dumps(value) if not isinstance(value, str) else value}" for key, value in call.items()]
        arguments_of = [part for pair in pairs for part in ("--tool-arg", pair)]
        answer = inspect("--method", "tools/call", "--tool-name", name, *arguments_of)
        assert not answer.get("isError"), (name, answer)
