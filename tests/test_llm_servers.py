"""Chat models behind real servers on loopback, each of which behaves as some server does."""

import json
import logging
import socket
from typing import Any, Literal

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from llm_servers import Answer, calls_tool, chat_server, refuses, says
from planner_replies import region, whole
from pydantic import Field, SecretStr

from ditpipe.agent.llm.answer_length import longest_answer
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.llm.modes import definition_for
from ditpipe.agent.llm.schema_fit import fit
from ditpipe.agent.llm.strict_schema import strict_schema
from ditpipe.agent.llm.structured import valid_reply
from ditpipe.agent.planning.planner import Planner
from ditpipe.agent.settings import settings_of
from ditpipe.prompts.answers.visual_checks import VisualAnswer
from ditpipe.prompts.endpoint import check_url
from ditpipe.prompts.errors import ModelError, PlanningError
from ditpipe.prompts.plan import StrictModel


class Spot(StrictModel):
    """Where something is."""

    thing: str = Field(min_length=1, max_length=20, description="what it is")
    place: Literal["top left", "center", "right"] = Field(description="where it is")
    note: str = Field(default="", description="or empty")
    share: float | None = Field(default=None, ge=0, le=1, description="of the picture; null: unknown")


class Spots(StrictModel):
    """All of them."""

    spots: list[Spot] = Field(min_length=1, description="one entry a thing")
    mood: str = Field(description="or empty")


CAT = {"thing": "cat", "place": "center", "note": "", "share": None}
GOOD = json.dumps({"spots": [CAT], "mood": ""})
NO_LENGTHS = refuses(400, "'maxLength' is not supported")
NO_FORMAT = [refuses(400, "This response_format type is unavailable now", code="invalid_request_error")] * 2
NO_TOOLS = refuses(422, "tools are not supported")
NO_JSON = refuses(400, "'response_format' must be text")


def ask(url: str, *, waits: list[float] | None = None, model: Any = None, **options: Any) -> Spots:
    return valid_reply(
        model or chat_model("some-model", base_url=url, **options), Spots,
        [SystemMessage("You look."), HumanMessage("Where is the cat?")], Spots.model_validate,
        failed=PlanningError, role="planner", sleep=(waits if waits is not None else []).append,
    )  # fmt: skip


class Circle(StrictModel):
    kind: Literal["circle"]
    size: int


class Square(StrictModel):
    kind: Literal["square"]
    size: int
    turned_by: int = 0


class Drawing(StrictModel):
    shape: Circle | Square = Field(discriminator="kind", description="what to draw")
    centre: Spot = Field(description="where")


def keywords(schema: Any) -> set[str]:
    """All keywords of a schema, those of objects' fields too."""
    if isinstance(schema, list):
        return set().union(*map(keywords, schema))
    if not isinstance(schema, dict):
        return set()
    inner = [keywords(list(v.values()) if k in ("properties", "$defs") else v) for k, v in schema.items()]
    return set(schema).union(*inner)


def test_unions_and_references_are_made_strict_too() -> None:
    strict = strict_schema(Drawing.model_json_schema())
    assert not keywords(strict) & {"oneOf", "discriminator", "title", "default", "maxLength", "minLength"}
    assert strict["properties"]["centre"] == {"anyOf": [{"$ref": "#/$defs/Spot"}], "description": "where"}


def test_an_object_is_fitted_to_the_kind_that_it_names() -> None:
    shape = {"kind": "Square", "size": 3, "colour": "red"}
    fitted, notes = fit({"shape": shape}, Drawing.model_json_schema())
    assert fitted == {"shape": {"kind": "square", "size": 3}} and len(notes) == 2


def test_the_word_null_is_null_where_that_is_taken() -> None:
    texts = {"type": "object", "properties": {name: {"anyOf": [{"type": "string"}, {"type": "null"}]} for name in "ab"}}
    assert fit({"a": "null", "b": "nullable"}, texts)[0] == {"a": None, "b": "nullable"}


def mode_of(request: dict[str, Any]) -> str:
    if "tools" in request:
        return "tool"
    return str(request.get("response_format", {}).get("type", "prompt"))


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)


def test_the_schema_is_asked_for_as_openais_strict_mode_takes_it() -> None:
    with chat_server(says(GOOD)) as server:
        assert ask(server.url).spots[0].thing == "cat"
    wanted = server.sent[0]["response_format"]["json_schema"]
    spot = wanted["schema"]["$defs"]["Spot"]
    assert wanted["strict"] is True and wanted["name"] == "Spots"
    assert spot["required"] == ["thing", "place", "note", "share"] and spot["additionalProperties"] is False
    assert "default" not in json.dumps(wanted) and "maximum" not in json.dumps(wanted)
    system = server.sent[0]["messages"][0]["content"]
    assert system.startswith("You look.") and '"note": string,  // or empty' in system  # a grammar would not say so
    assert "temperature" not in server.sent[0] and server.headers[0]["authorization"] == "Bearer none"


@pytest.mark.parametrize(
    "answers, modes",
    [
        ([says(GOOD)], ["json_schema"]),
        ([NO_LENGTHS, says(GOOD)], ["json_schema"]),
        ([*NO_FORMAT, calls_tool(GOOD)], ["json_schema", "tool"]),
        ([*NO_FORMAT, NO_TOOLS, says(GOOD)], ["json_schema", "tool", "json_object"]),
        ([*NO_FORMAT, NO_TOOLS, NO_JSON, says(GOOD)], ["json_schema", "tool", "json_object", "prompt"]),
    ],
)
def test_what_a_server_refuses_is_followed_by_the_next_mode_and_remembered(
    answers: list[Answer], modes: list[str]
) -> None:
    with chat_server(*answers, answers[-1]) as server:
        assert ask(server.url) == ask(server.url)
    asked = [mode_of(request) for request in server.sent]
    assert asked == [*modes[:1] * (len(answers) > 1), *modes, modes[-1]]
    with_lengths = ["maxLength" in json.dumps(request.get("response_format", "")) for request in server.sent]
    assert with_lengths == [True, *[len(answers) == 1] * (len(asked) - 1)]  # a grammar's answer ends by them


def test_without_a_json_schema_the_prompt_holds_it() -> None:
    with chat_server(*NO_FORMAT, NO_TOOLS, says(GOOD)) as server:
        ask(server.url)
    system, person = server.sent[-1]["messages"]
    assert (
        system["content"].startswith("You look.")
        and "what it is; of length 1 or more; of length 20 or less" in system["content"]
    )
    assert person["content"] == "Where is the cat?"


def test_the_plain_prompt_needs_no_system_message() -> None:
    with chat_server(*[refuses(400, "System role not supported")] * 4, says(GOOD)) as server:
        ask(server.url)
    (person,) = server.sent[-1]["messages"]
    assert person["role"] == "user" and person["content"].startswith("You look.")
    assert person["content"].endswith("Where is the cat?")


def test_a_server_that_ignores_how_it_is_asked_gets_the_schema_in_the_prompt() -> None:
    with chat_server(*[says("The cat is in the middle."), says(GOOD)] * 2, says(GOOD)) as server:
        for _ in range(3):
            ask(server.url)
    assert [mode_of(request) for request in server.sent] == [*["json_schema", "json_object"] * 2, "json_object"]
    assert "no whole JSON object: The cat is in the middle." in server.sent[1]["messages"][-1]["content"]


def test_one_answer_without_json_does_not_change_how_a_server_is_asked() -> None:
    once = [says(""), refuses(400, "json_object is not supported"), says(GOOD), says(GOOD)]
    with chat_server(*once, *once) as server:
        for _ in range(4):
            ask(server.url)
    modes = ["json_schema", "json_object", "prompt", "json_schema"]
    assert [mode_of(request) for request in server.sent] == modes * 2


def test_a_router_without_a_server_for_tools_is_asked_in_the_next_mode() -> None:
    nobody = refuses(404, "No endpoints found that support tool use.")
    with chat_server(*NO_FORMAT, nobody, says(GOOD)) as server:
        ask(server.url)
    assert [mode_of(request) for request in server.sent][-2:] == ["tool", "json_object"]


def test_a_password_in_a_url_is_refused_unseen() -> None:
    with pytest.raises(ValueError, match=r"write http://h:1/v1, and give a key$") as caught:
        ask("http://me:secret@h:1/v1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [504, 524])
def test_what_a_gateway_did_not_wait_for_is_not_asked_again(status: int) -> None:
    with chat_server(refuses(status, "timed out")) as server:
        with pytest.raises(ModelError, match=rf"a gateway before .* did not wait for its answer \({status}\)"):
            ask(server.url)
    assert len(server.sent) == 1


def test_a_request_that_is_refused_in_every_mode_is_told_in_the_servers_words() -> None:
    with chat_server(*[refuses(400, "images are not supported")] * 5) as server:
        with pytest.raises(ModelError, match=r"some-model\) refuses the request \(400\): images are not supported$"):
            ask(server.url)


def test_a_request_that_is_too_long_is_refused_once() -> None:
    with chat_server(refuses(400, "at most 8192 tokens", code="context_length_exceeded")) as server:
        with pytest.raises(ModelError, match="at most 8192 tokens"):
            ask(server.url)


@pytest.mark.parametrize(
    "content",
    [
        f"<think>First {json.dumps({'spots': [], 'mood': 'draft'})}, no.</think>\n{GOOD}",
        f"Here you are:\n```json\n{GOOD}\n```\nIs it good? [1]",
        GOOD.replace("}]", "},]"),
        f"[{GOOD}]",
        json.dumps(GOOD),
        json.dumps({"spots": json.dumps([CAT]), "mood": ""}),
        json.dumps({"Spots": {"spots": [CAT], "mood": ""}}),
        json.dumps({"name": "Spots", "arguments": {"spots": [CAT], "mood": ""}}),
        json.dumps({"spots": [CAT | {"confidence": 1}], "mood": "", "thoughts": "hm"}),
        json.dumps({"spots": [CAT | {"note": None}], "mood": None}),
        json.dumps({"spots": CAT, "mood": ""}),
        json.dumps({"spots": [CAT | {"place": "Centre"}], "mood": ""}),
        json.dumps({"spots": [CAT | {"share": ""}], "mood": ""}),
        GOOD.replace('"', "'").replace("null", "None"),
        [{"type": "text", "text": GOOD}],
    ],
    ids=[
        "thoughts", "fences and prose", "trailing comma", "list of one", "doubly encoded", "a part doubly encoded",
        "wrapper", "a call as text", "unknown keys", "nulls", "one thing", "British", "empty number", "Python", "parts",
    ],
)  # fmt: skip
def test_what_models_write_around_and_into_json_is_read(content: Any) -> None:
    with chat_server(says(content)) as server:
        assert ask(server.url) == Spots.model_validate_json(GOOD)


def test_a_choice_is_read_as_people_write_it() -> None:
    with chat_server(says(GOOD.replace("center", "Top-Left"))) as server:
        assert ask(server.url).spots[0].place == "top left"


@pytest.mark.parametrize(
    "answer",
    [
        calls_tool(GOOD),
        calls_tool(GOOD.replace("}]", "},]")),
        calls_tool(json.dumps(GOOD)),
        calls_tool(json.loads(GOOD)),
        says(None, function_call={"name": "any", "arguments": GOOD}),
        says(None, reasoning_content=f"The cat … so: {GOOD}"),
        says("", reasoning=GOOD),
    ],
    ids=[
        "tool call",
        "broken tool call",
        "encoded twice",
        "not encoded",
        "function call",
        "reasoning_content",
        "reasoning",
    ],
)
def test_an_answer_in_another_place_is_found(answer: Answer) -> None:
    with chat_server(answer) as server:
        assert ask(server.url).spots[0].thing == "cat"


def test_a_draft_in_the_reasoning_is_no_answer() -> None:
    with chat_server(says('{"spots": []}', reasoning_content=GOOD), says(GOOD)) as server:
        ask(server.url)
    assert "mood: Field required" in server.sent[1]["messages"][-1]["content"]


def test_repairs_are_in_the_debug_log(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.DEBUG, "ditpipe"),
        chat_server(says(f"[{GOOD.replace('center', 'Centre')}]")) as server,
    ):
        ask(server.url)
    assert (
        "repaired in the planner's answer: answer: list of one opened; spots.0.place: 'Centre' taken for" in caplog.text
    )


def test_an_answer_that_ends_early_is_not_made_whole() -> None:
    early = json.dumps({"spots": [CAT, CAT]})[:-30]
    with chat_server(says(early), says(GOOD)) as server:
        assert len(ask(server.url).spots) == 1
    assert "no whole JSON object" in server.sent[1]["messages"][-1]["content"]


def test_what_stays_invalid_is_given_up_with_the_raw_reply() -> None:
    with chat_server(says("no"), says("{}"), says("I am sorry.")) as server:
        with pytest.raises(PlanningError, match="stayed invalid after 2 repairs: .*I am sorry.") as caught:
            ask(server.url)
    assert caught.value.reply == "I am sorry."


def test_the_same_words_without_json_are_not_asked_for_a_third_time() -> None:
    with chat_server(says("I am sorry."), says("I am sorry. \n")) as server:
        with pytest.raises(PlanningError, match="invalid after a repair, word for word: .*I am sorry.") as caught:
            ask(server.url)
    assert caught.value.reply.strip() == "I am sorry."


def test_after_a_cut_off_answer_shorter_ones_are_asked_for_and_the_plan_says_so() -> None:
    long, good = whole(region("cat", [0, 0, 500, 1000], low="x" * 9000)), whole(region("cat", [0, 0, 500, 1000]))
    with chat_server(says(long, finish_reason="length"), says(good), says(good)) as server:
        planner = Planner(chat_model("small", base_url=server.url))
        plans = [planner.plan("a cat"), planner.plan("a cat")]
    schemas = [request["response_format"]["json_schema"]["schema"] for request in server.sent]
    assert longest_answer(schemas[0]) > len(long) > longest_answer(schemas[1]) and schemas[1] == schemas[2]
    room = schemas[1]["properties"]["regions"]["maxItems"]
    assert all(f"had room for {room} objects" in plan.notes[-1] for plan in plans)
    assert f"entries: {room} or less" in server.sent[1]["messages"][0]["content"]
    assert definition_for(planner.chat_model, VisualAnswer) == VisualAnswer.model_json_schema()  # of others nothing


@pytest.mark.parametrize("refusals, noted", [(0, True), (2, False)])
def test_a_text_of_the_greatest_length_may_be_cut_off_only_where_a_grammar_keeps_lengths(
    refusals: int, noted: bool
) -> None:
    plan = whole(region("cat", [0, 0, 500, 1000]) | {"low_level": "x" * 500})
    refused = [refuses(400, "response_format is not supported")] * refusals
    with chat_server(*refused, says(plan)) as server:
        notes = Planner(chat_model("small", base_url=server.url)).plan("a cat").notes
    assert any("may be cut off" in note for note in notes) == noted


def test_after_a_cut_off_answer_each_region_still_has_its_details() -> None:
    names = [f"balloon {i}" for i in range(20)]
    layout = whole(*[region(name, [40 * i, 0, 40 * i + 40, 500]) for i, name in enumerate(names)], high="balloons")
    details = [{"name": name, "low_level": "red"} for name in names]
    good, long = (json.dumps({"low_level": low, "regions": details}) for low in ("dawn", "x" * 3000))
    with chat_server(says(layout), says(long, finish_reason="length"), says(good)) as server:
        plan = Planner(chat_model("small", base_url=server.url), calls=2).plan("balloons at dawn")
    assert [each.prompt.low_level for each in plan.regions] == ["red"] * 20
    schemas = [request["response_format"]["json_schema"]["schema"] for request in server.sent]
    lists = [schema["properties"]["regions"] for schema in schemas[1:]]
    assert [(each["minItems"], each["maxItems"]) for each in lists] == [(20, 20)] * 2
    assert longest_answer(schemas[1]) > longest_answer(schemas[2])


def test_a_plan_stays_if_the_planner_fails_when_it_is_asked_to_mend_it() -> None:
    plan = whole(region("cat", [0, 0, 500, 1000]), counts=[{"thing": "cats", "number": 2, "regions": ["cat"]}])
    with chat_server(says(plan), *[says('{"high', finish_reason="length")] * 2) as server:
        notes = Planner(chat_model("small", base_url=server.url)).plan("two cats").notes
    assert notes[0] == "the brief asks for 2 cats, the plan has 1" and "was cut off" in notes[1]


def test_a_refused_parameter_is_left_out_once_and_remembered() -> None:
    refused = refuses(400, "Unsupported value: 'temperature' does not support 0", param="temperature")
    with chat_server(refused, says(GOOD), says(GOOD)) as server:
        ask(server.url, temperature=0)
        ask(server.url, temperature=0)
    assert [request.get("temperature") for request in server.sent] == [0, None, None]
    assert {mode_of(request) for request in server.sent} == {"json_schema"}


def test_a_limit_of_tokens_goes_by_the_name_that_the_server_knows() -> None:
    new_name = {"detail": [{"loc": ["body", "max_completion_tokens"], "msg": "Extra inputs are not permitted"}]}
    with chat_server(Answer(new_name, 422), says(GOOD), says(GOOD)) as server:
        model = ChatOpenAI(
            model="old", base_url=server.url, api_key=SecretStr("none"), max_completion_tokens=500, max_retries=0
        )
        ask(server.url, model=model)
        ask(server.url, model=model)
    limits = [(request.get("max_completion_tokens"), request.get("max_tokens")) for request in server.sent]
    assert limits == [(500, None), (None, 500), (None, 500)]


def test_a_choice_of_tool_that_is_refused_is_left_out() -> None:
    thinking = refuses(400, "tool_choice 'required' is incompatible with thinking enabled")
    with chat_server(*NO_FORMAT, thinking, calls_tool(GOOD)) as server:
        ask(server.url)
    assert [request.get("tool_choice") for request in server.sent] == [None, None, "required", None]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_pass_is_tried_again(status: int) -> None:
    waits: list[float] = []
    with chat_server(refuses(status, "busy"), refuses(status, "busy"), says(GOOD)) as server:
        ask(server.url, waits=waits)
    assert len(waits) == 2 and waits[1] > 0


def test_retry_after_is_honoured() -> None:
    waits: list[float] = []
    with chat_server(refuses(429, "slow down", headers={"retry-after": "7"}), says(GOOD)) as server:
        ask(server.url, waits=waits)
    assert waits == [7]


def test_a_server_that_wants_an_hour_is_not_waited_for() -> None:
    with chat_server(refuses(429, "slow down", headers={"retry-after": "3600"})) as server:
        with pytest.raises(ModelError, match=r"try again in 3600 s \(429\): slow down"):
            ask(server.url)


@pytest.mark.parametrize(
    "answers, line",
    [
        ([refuses(503, "loading")] * 3, r"failed or is busy, after 3 tries \(503\): loading$"),
        ([refuses(429, "You exceeded your quota.", code="insufficient_quota")], "no credit left at .*: You exceeded"),
        ([refuses(401, "Incorrect key")], r"wants another key \(401\): Incorrect key; set DITPIPE_API_KEY"),
        ([refuses(404, "model 'some-model' not found")], r"\(404\): model 'some-model' not found; check"),
        ([Answer({"error": {"message": "No such engine"}})], r"gave no chat completion: No such engine$"),
        ([Answer({"error": {"message": "Bad key", "code": 401}})], r"wants another key \(401\): Bad key"),
        ([Answer({"object": "chat.completion", "choices": []})], "gave no chat completion: it holds no answer"),
        ([Answer({"object": "chat.completion", "choices": None})], "gave no chat completion: it holds no answer"),
        ([Answer("<!DOCTYPE html><html>Welcome</html>")], "no chat completion: it answered with a web page, so"),
        ([Answer("<html>nginx</html>", 404)], r"\(404\): it answered with a web page"),
        ([says(None, refusal="I can't draw that.")], "^the planner refuses: I can't draw that.$"),
        ([says('{"spots": [', finish_reason="length")], "^the planner's answer was cut off .* 'length'"),
        ([says("", finish_reason="content_filter")], "^the planner's answer was withheld by the provider's filter"),
    ],
)  # fmt: skip
def test_each_fault_is_a_line_of_its_own(answers: list[Answer], line: str) -> None:
    """As many calls as answers: what cannot pass is not tried again."""
    with chat_server(*answers) as server, pytest.raises(ModelError, match=line) as caught:
        ask(server.url)
    assert not any(word in str(caught.value) for word in ("Error", "object has no", "NoneType", "\n"))


def test_a_successful_answer_that_says_busy_is_tried_again() -> None:
    waits: list[float] = []
    with chat_server(Answer({"error": {"message": "overloaded", "code": 503}}), says(GOOD)) as server:
        ask(server.url, waits=waits)
    assert len(waits) == 1


def test_a_server_that_is_too_slow_is_told_with_the_time_and_not_tried_again() -> None:
    with chat_server(Answer({}, late=0.2)) as server:
        with pytest.raises(ModelError, match=r"some-model\) did not answer within 0.05 s; .* \(--timeout\)"):
            ask(server.url, timeout=0.05)


def test_a_server_that_is_not_there_is_named_with_the_cause() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    waits: list[float] = []
    with pytest.raises(ModelError, match=rf"^cannot reach {url} \(model some-model\): Connection refused$"):
        ask(url, waits=waits)
    assert len(waits) == 2


@pytest.mark.parametrize(
    "url, right",
    [
        ("localhost:11434/v1", "http://localhost:11434/v1"),
        ("192.168.0.9:8000/v1", "http://192.168.0.9:8000/v1"),
        ("gpu-box:8000/v1", "http://gpu-box:8000/v1"),
        ("api.example.com/v1", "https://api.example.com/v1"),
        ("htp://api.example.com/v1", "https://api.example.com/v1"),
    ],
)
def test_a_url_without_a_scheme_is_refused_with_the_right_one(url: str, right: str) -> None:
    with pytest.raises(ValueError, match=f"^{url} is no URL of a server: write {right}$"):
        check_url(url)
    with pytest.raises(ValueError, match=f"write {right}"):
        settings_of(planner="any", base_url=url)


@pytest.mark.parametrize(
    "given_for, sent", [(None, "sk-mine"), ("SERVER", "sk-mine"), ("https://api.openai.com/v1", "none")]
)
def test_openais_key_goes_to_the_server_unless_it_was_given_for_another(
    given_for: str | None, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chat_server(says(GOOD)) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
        if given_for:
            monkeypatch.setenv("OPENAI_BASE_URL", given_for.replace("SERVER", server.url))
        ask(server.url)
    assert server.headers[0]["authorization"] == f"Bearer {sent}"


def test_a_key_that_is_given_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    with chat_server(says(GOOD)) as server:
        ask(server.url, api_key="this server's")
    assert server.headers[0]["authorization"] == "Bearer this server's"
