"""The schemas of all answers against the published rules of those who take JSON schemas."""

from collections.abc import Iterator
from typing import Any

import pytest

from ditpipe.agent.llm.schema_outline import schema_outline
from ditpipe.agent.llm.strict_schema import strict_schema
from ditpipe.prompts.answers.chat_answer import ChatAnswer
from ditpipe.prompts.answers.plan_answer import DetailsAnswer, LayoutAnswer, PalettePlanAnswer, PlanAnswer
from ditpipe.prompts.answers.planner_schema import PlannerAnswer
from ditpipe.prompts.answers.revision_answer import RevisionAnswer
from ditpipe.prompts.answers.visual_checks import VisualAnswer
from ditpipe.prompts.endpoint import shows_schema

ANSWERS = [
    PlanAnswer,
    PalettePlanAnswer,
    LayoutAnswer,
    DetailsAnswer,
    RevisionAnswer,
    VisualAnswer,
    ChatAnswer,
    PlannerAnswer,
]
# What OpenAI's strict mode, Anthropic's structured outputs, Gemini's JSON schemas and xgrammar (vLLM) all take.
KEYWORDS = {
    "type", "description", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "$ref", "$defs",
}  # fmt: skip
LEVELS, PROPERTIES, CHOICES, NAMES = 10, 5_000, 1_000, 120_000  # OpenAI's limits; NAMES: characters of them all
UNIONS = 16  # Anthropic's limit of fields that may be of several types


def schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all those in it."""
    yield schema
    for name in ("properties", "$defs"):
        for inner in schema.get(name, {}).values():
            yield from schemas(inner)
    for inner in [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]:
        yield from schemas(inner)


def depth(schema: Any, defs: dict[str, Any]) -> int:
    """Levels of objects; endless for a schema that holds itself."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].removeprefix("#/$defs/")]
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    inner += [schema["items"]] if "items" in schema else []
    return ("properties" in schema) + max((depth(one, defs) for one in inner), default=0)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.__name__)
def test_every_server_takes_the_schema(answer: Any) -> None:
    strict = strict_schema(answer.model_json_schema())
    parts = list(schemas(strict))
    objects = [part for part in parts if part.get("type") == "object"]
    assert strict["type"] == "object" and "anyOf" not in strict
    assert {keyword for part in parts for keyword in part} <= KEYWORDS
    assert all(set(part) == {"$ref"} for part in parts if "$ref" in part)
    assert all(part["additionalProperties"] is False for part in objects)
    assert all(part["required"] == list(part["properties"]) and part["required"] for part in objects)
    assert sum("anyOf" in part for part in parts) <= UNIONS
    assert all(isinstance(choice, str) for part in parts for choice in part.get("enum", []))
    names = [name for part in objects for name in part["properties"]] + list(strict.get("$defs", {}))
    choices = [choice for part in parts for choice in part.get("enum", [])]
    assert len(names) <= PROPERTIES and len(choices) <= CHOICES and len("".join(names + choices)) <= NAMES
    assert 1 <= depth(strict, strict.get("$defs", {})) <= LEVELS


@pytest.mark.parametrize("answer", [*ANSWERS[:-1]], ids=lambda answer: answer.__name__)
def test_a_grammar_of_the_schema_ends(answer: Any) -> None:
    for part in schemas(strict_schema(answer.model_json_schema(), lengths=True)):
        assert part.get("type") != "array" or 1 <= part["maxItems"] <= 32
        assert part.get("type") != "string" or "enum" in part or 1 <= part["maxLength"] < 2000  # llama.cpp's limit


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.__name__)
def test_the_outline_names_every_field_and_says_what_it_means(answer: Any) -> None:
    definition = answer.model_json_schema()
    outline = schema_outline(definition)
    fields = {name: field for part in schemas(definition) for name, field in part.get("properties", {}).items()}
    assert fields and all(f'"{name}": ' in outline for name in fields)
    assert all(field["description"] in outline for field in fields.values() if "description" in field)
    assert "$ref" not in outline and len(outline) < len(str(definition))


def test_only_openai_is_known_to_show_its_models_the_schema() -> None:
    assert shows_schema("https://api.openai.com/v1/")
    assert not any(map(shows_schema, ("http://localhost:11434/v1", "https://api.anthropic.com/v1", "")))
