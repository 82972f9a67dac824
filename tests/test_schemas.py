"""The function schemas for callers without a framework: strict where the APIs want it, and typed down to the box."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, validate  # type: ignore[import-untyped]
from plans import plan_of

from ditpipe.tools.contract import RenderArguments

# The keywords that OpenAI documents for strict mode.
STRICT = {
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref", "$defs",
    "description", "pattern", "format", "multipleOf", "maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum",
    "minItems", "maxItems",
}  # fmt: skip


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    from ditpipe.tools import picture_tools
    from ditpipe.tools.schemas import FORMATS

    tools = picture_tools(out=tmp_path_factory.mktemp("runs"))
    return {form: [write(tool) for tool in tools] for form, write in FORMATS.items()}


def test_the_command_prints_them(schemas: dict[str, list[dict[str, Any]]]) -> None:
    command = [str(Path(sys.executable).parent / "ditpipe"), "tools", "--format", "openai"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == schemas["openai"]


def assert_strict(schema: Any) -> None:
    """Closed objects, every property required, no keyword that strict mode does not know, everywhere."""
    if isinstance(schema, list):
        for one in schema:
            assert_strict(one)
    if not isinstance(schema, dict):
        return
    assert set(schema) <= STRICT, set(schema) - STRICT
    if schema.get("type") == "object":
        assert schema["additionalProperties"] is False and schema["required"] == list(schema["properties"])
    if "$ref" in schema:
        assert set(schema) == {"$ref"}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            assert_strict(list(value.values()))
        elif key not in ("enum", "required"):
            assert_strict(value)


def test_openai_and_anthropic_schemas_hold_under_strict_mode(schemas: dict[str, list[dict[str, Any]]]) -> None:
    for tool in schemas["openai"]:
        assert tool["type"] == "function" and tool["function"]["strict"] is True
        assert_strict(tool["function"]["parameters"])
    for tool in schemas["anthropic"]:
        assert tool["strict"] is True
        assert_strict(tool["input_schema"])


def test_what_a_strict_model_sends_is_understood(schemas: dict[str, list[dict[str, Any]]]) -> None:
    """Under strict mode a model names every property, with null or a value."""
    render = next(tool["function"] for tool in schemas["openai"] if tool["function"]["name"] == "render_picture")
    full = RenderArguments(plan=plan_of(2)).model_dump(mode="json")
    for region in full["plan"]["regions"]:
        region |= {"feather": 0, "strength": 1, "start": 0, "end": 1}  # left out of files where they say nothing
    validate(full, render["parameters"])
    assert RenderArguments.model_validate(full).plan == plan_of(2)
    wrong = json.loads(json.dumps(full))
    wrong["plan"]["regions"][0]["box"]["depth"] = 1
    assert not Draft202012Validator(render["parameters"]).is_valid(wrong)


def test_mcp_schemas_say_what_comes_back(schemas: dict[str, list[dict[str, Any]]]) -> None:
    for tool in schemas["mcp"]:
        Draft202012Validator.check_schema(tool["inputSchema"])
        Draft202012Validator.check_schema(tool["outputSchema"])
        assert tool["outputSchema"]["type"] == "object" and tool["outputSchema"]["properties"]


def test_an_unknown_format_lists_the_known() -> None:
    from ditpipe.agent.serve_cli import tools

    with pytest.raises(ValueError, match="unknown format 'soap': one of openai, anthropic, mcp"):
        tools("soap")
