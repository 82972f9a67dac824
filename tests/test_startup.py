"""What a command does not load, and what a server answers before it loads anything: by order, never by time."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from http_servers import listening
from planner_replies import region, whole

from ditpipe import ScenePlan
from ditpipe.renderer.checkpoints.fast_import import without_gc

pytestmark = pytest.mark.process

# Each takes from a third of a second to some seconds to import.
DRAWS = ("torch", "diffusers", "transformers", "peft")
TALKS = ("openai", "langchain_core", "langgraph", "langsmith")
CAT = ScenePlan.model_validate(
    {
        "scene": "a cat",
        "regions": [{"name": "cat", "box": {"left": 0, "top": 0, "right": 1, "bottom": 1}, "prompt": "cat"}],
    }
)
FACES = ("fastapi", "mcp", "uvicorn")
COMMAND = (
    "import sys; sys.argv[0] = 'ditpipe'; from ditpipe.agent.cli.main import main\ntry:\n    main()\nfinally:\n    "
)
LOADED = f"print(*[name for name in {DRAWS + TALKS + FACES} if name in sys.modules], file=open({{file!r}}, 'w'))"


def loaded(folder: Path, code: str, *arguments: str) -> set[str]:
    """Which of the slow packages a process has loaded by its end."""
    note, environment = folder / "loaded", os.environ | {"DITPIPE_SESSIONS": str(folder / "sessions")}
    command = [sys.executable, "-c", code + LOADED.format(file=str(note)), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(note.read_text().split())


def test_importing_the_package_its_agent_and_its_contract_loads_nothing_slow(tmp_path: Path) -> None:
    names = "Agent, Box, PromptSchedule, LeveledPrompt, Planner, RenderRequest, RenderResult, ScenePlan"
    assert not loaded(tmp_path, f"import sys; from ditpipe import {names}; Agent(); ")


@pytest.mark.parametrize("command", ["--help", "--version", "models", "sessions", "tools", "schema"])
def test_a_command_that_only_tells_loads_nothing_slow(tmp_path: Path, command: str) -> None:
    assert not loaded(tmp_path, COMMAND, command)


@pytest.mark.parametrize("command", ["--help", "--version", "schema"])
def test_help_does_not_even_load_what_reads_pictures(tmp_path: Path, command: str) -> None:
    without = "import sys; sys.modules['numpy'] = None; " + COMMAND
    assert not loaded(tmp_path, without, command)


@pytest.mark.parametrize("command", [["export", "--format", "swarmui"], ["import"]])
def test_layouts_of_other_programs_load_nothing_slow(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "plan.json").write_text(CAT.model_dump_json())
    assert not loaded(tmp_path, COMMAND, command[0], "plan.json", *command[1:])


async def plans(scope: Any, receive: Any, send: Any) -> None:
    """A server of chat completions that answers everything with one plan, and every message about it with a removal."""
    if scope["type"] != "http":
        return
    answer = whole(region("cat", [0, 0, 500, 1000], low="red"), high="a red cat in a meadow")
    if b"turn it round" in (await receive())["body"]:
        answer = json.dumps({"commands": [{"do": "remove", "regions": ["cat"]}], "scene": "a meadow", "not_done": []})
    message = {"role": "assistant", "content": answer}
    body = {
        "id": "1", "object": "chat.completion", "created": 0, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
    }  # fmt: skip
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def test_a_plan_loads_no_torch(tmp_path: Path) -> None:
    with listening(plans) as address:
        heavy = loaded(tmp_path, COMMAND, "plan", "a red cat", "--planner", "m", "--base-url", f"{address}/v1")
    assert not heavy & {*DRAWS, *FACES}


def test_a_change_of_a_plan_loads_no_torch(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(CAT.model_dump_json())
    arguments = ["change", "plan.json", "turn it round: no cat", "--planner", "m", "--out", "new.json"]
    with listening(plans) as address:
        heavy = loaded(tmp_path, COMMAND, *arguments, "--base-url", f"{address}/v1")
    assert not heavy & {*DRAWS, *FACES}
    assert not ScenePlan.model_validate_json((tmp_path / "new.json").read_text()).regions


# Writes a line between the server's answers when torch begins to load, and then lets nothing be drawn.
NOTES_TORCH = """
import os, sys

def note(event, arguments):
    if event == "import" and arguments[0] == "torch":
        os.write(WIRE, b"torch\\n")
        os._exit(0)

WIRE = os.dup(1)
sys.addaudithook(note)
from ditpipe.agent.cli.main import main
main()
"""


def test_an_mcp_server_says_what_it_can_do_before_it_loads_what_draws(tmp_path: Path) -> None:
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}
    calls: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": client},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list", "params": {}},
    ]  # fmt: skip
    command = [sys.executable, "-c", NOTES_TORCH, "mcp", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        for call in calls:
            server.stdin.write(json.dumps({"jsonrpc": "2.0"} | call) + "\n")
        server.stdin.flush()
        lines = [line.strip() for line in server.stdout]
    assert lines[2:] == ["torch"]  # it is loaded without being asked
    first, second = (json.loads(line) for line in lines[:2])
    assert first["result"]["serverInfo"]["name"] == "ditpipe"
    assert {"plan_picture", "render_picture"} < {tool["name"] for tool in second["result"]["tools"]}


def test_the_collector_is_as_before_once_the_last_has_loaded() -> None:
    with without_gc():
        with without_gc():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.parametrize(("command", "where"), [("serve", "http://127.0.0.1:8123"), ("web", "http://127.0.0.1:8123")])
def test_a_server_says_at_once_where_it_will_be(tmp_path: Path, command: str, where: str) -> None:
    """The line comes before anything slow is loaded: without what serves, it is all that is said."""
    stopped = "import sys; sys.modules['starlette.applications'] = None; " + COMMAND + "pass"
    folder = {"serve": "--out", "web": "--sessions"}[command]
    arguments = [sys.executable, "-c", stopped, command, "--port", "8123", folder, str(tmp_path)]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode and done.stderr.startswith("loading the ") and where in done.stderr.splitlines()[0]
