"""The function schemas for callers without a framework: strict where the APIs want it, and typed down to the box."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import PATIENCE
from jsonschema import Draft202012Validator, validate  # type: ignore[import-untyped]
from openai import pydantic_function_tool
from plans import plan_of

from ditpipe import Agent
from ditpipe.agent.wiring import picture_service, tools_for
from ditpipe.tools.api_schema import RenderArguments
from ditpipe.tools.function_schemas import REFUSED_BY_OPENAI, openai_schema

# The keywords that OpenAI documents for strict mode.
STRICT = {
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref", "$defs",
    "description", "pattern", "format", "multipleOf", "maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum",
    "minItems", "maxItems",
}  # fmt: skip


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    from ditpipe.tools import picture_tools
    from ditpipe.tools.function_schemas import FORMATS

    tools = picture_tools(out=tmp_path_factory.mktemp("runs"))
    return {form: [write(tool) for tool in tools] for form, write in FORMATS.items()}


@pytest.mark.process
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


def test_openai_schemas_hold_under_strict_mode(schemas: dict[str, list[dict[str, Any]]]) -> None:
    for tool in schemas["openai"]:
        assert tool["type"] == "function" and tool["function"]["strict"] is True
        assert_strict(tool["function"]["parameters"])


def test_openai_schemas_are_as_its_own_library_makes_them(tmp_path: Path) -> None:
    def without(schema: Any, *, names: bool = False) -> Any:
        if isinstance(schema, list):
            return [without(one) for one in schema]
        return schema if not isinstance(schema, dict) else {
            key: without(value, names=key in ("properties", "$defs") and not names)
            for key, value in schema.items()
            if names or key not in REFUSED_BY_OPENAI
        }  # fmt: skip

    agent = Agent(out=tmp_path)
    for tool in tools_for(picture_service(agent, patience=PATIENCE), agent):
        theirs: Any = pydantic_function_tool(tool.args_schema, name=tool.name, description=tool.description)
        assert openai_schema(tool)["function"]["parameters"] == without(theirs["function"]["parameters"])


def objects_in(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema within a schema; names of properties and definitions are no keywords."""
    yield schema
    for part in [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]:
        yield from objects_in(part)
    for part in [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]:
        yield from objects_in(part)


def test_anthropic_schemas_keep_its_published_rules(schemas: dict[str, list[dict[str, Any]]]) -> None:
    """Of one request: at most 20 strict tools, 24 parameters that may be left out, 16 of several types; no limits on
    numbers, lengths and lists but a least length of 0 or 1; closed objects; references within the schema alone."""
    taken = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "$ref", "$defs",
             "description", "pattern", "minItems"}  # fmt: skip
    tools = schemas["anthropic"]
    parts = [part for tool in tools for part in objects_in(tool["input_schema"])]
    assert len(tools) <= 20 and all(tool["strict"] is True for tool in tools)
    assert set().union(*parts) <= taken and all(part.get("minItems", 0) <= 1 for part in parts)
    assert not any("anyOf" in part or isinstance(part.get("type"), list) for part in parts)
    closed = [part for part in parts if part.get("type") == "object"]
    assert all(part["additionalProperties"] is False for part in closed)
    assert sum(len(part["properties"]) - len(part["required"]) for part in closed) <= 24
    assert all(set(part) == {"$ref"} for part in parts if "$ref" in part)


def test_what_is_normal_is_said_where_a_strict_form_wants_a_value(schemas: dict[str, list[dict[str, Any]]]) -> None:
    for form in ("openai", "anthropic"):
        render = next(tool for tool in schemas[form] if tool.get("name", "") == "render_picture" or "function" in tool
                      and tool["function"]["name"] == "render_picture")  # fmt: skip
        parameters = render["input_schema"] if form == "anthropic" else render["function"]["parameters"]
        region = parameters["$defs"]["Region"]["properties"]
        for name, normal in {"strength": 1, "feather": 0, "start": 0, "end": 1, "z_order": 0}.items():
            assert f"normally {normal}" in region[name]["description"], (form, name)


def test_the_schema_says_how_large_a_picture_may_be_here(schemas: dict[str, list[dict[str, Any]]]) -> None:
    tools = {tool["name"]: tool["inputSchema"] for tool in schemas["mcp"]}
    sides = [tools["render_picture"]["$defs"]["ScenePlan"]["properties"]["width"]]
    sides += [tools[name]["properties"]["height"]["anyOf"][0] for name in ("plan_picture", "paint_picture")]
    assert [side["maximum"] for side in sides] == [512] * 3 and sides[0]["default"] == 256
    assert {side["multipleOf"] for side in sides} == {32}
    said = json.dumps(schemas["anthropic"])
    assert "at most 512" in said and "at most 2048" not in said


def test_a_prompt_may_be_a_text(schemas: dict[str, list[dict[str, Any]]]) -> None:
    tools = {tool["name"]: tool["inputSchema"] for tool in schemas["mcp"]}
    for name in ("edit_region", "add_region"):
        validate("a small moon", {"$defs": tools[name]["$defs"]} | tools[name]["properties"]["prompt"])


def test_hints_say_what_a_call_does(schemas: dict[str, list[dict[str, Any]]]) -> None:
    hints = {tool["name"]: tool["annotations"] for tool in schemas["mcp"]}
    reads = {name for name, one in hints.items() if one["readOnlyHint"]}
    assert reads == {"plan_picture", "change_plan", "critique_picture", "get_picture"}
    assert [name for name, one in hints.items() if one.get("destructiveHint")] == ["cancel_picture"]


def test_what_a_strict_model_sends_is_understood(schemas: dict[str, list[dict[str, Any]]]) -> None:
    """Under strict mode a model names every property, with null or a value."""
    render = next(tool["function"] for tool in schemas["openai"] if tool["function"]["name"] == "render_picture")
    full = RenderArguments(plan=plan_of(2)).model_dump(mode="json")
    for region in full["plan"]["regions"]:
        # These are left out of files where they say nothing.
        region |= {"feather": 0, "strength": 1, "start": 0, "end": 1, "mask": "", "lettering": "", "colors": []}
    full["plan"] |= {"style": "", "colors": [], "notes": []}
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
    from ditpipe.agent.cli.commands.serve import tools

    with pytest.raises(ValueError, match="unknown format 'soap': one of openai, anthropic, mcp"):
        tools(form="soap")
