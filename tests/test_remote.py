"""Models on servers: what is sent to them, what comes of their answers, and what they cannot be told."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from fastapi import Response
from image_servers import Call, draws, image_server, pictures, png, refuses
from PIL import Image
from plans import changed, plan_of

from ditpipe import Agent, Box, LeveledPrompt, RenderRequest, RenderResult, Revision, ScenePlan
from ditpipe.agent.cli.commands.doctor import image_server as image_server_check
from ditpipe.agent.settings import Settings
from ditpipe.prompts.errors import DitpipeError, JobCancelled, ModelError, RenderError
from ditpipe.prompts.plan import Region
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.checkpoints.registry import absolute_name, checkpoint
from ditpipe.renderer.pictures.artifacts import read_metadata, read_result, write_result
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.regions.prompt_schedule import preset
from ditpipe.renderer.remote.remote_renderer import RemoteRenderer
from ditpipe.renderer.request import Control, Lora, Step

CHANGE = Revision(changes=[RegionChange(name="thing 0", prompt=LeveledPrompt(high_level="an owl"))])


def remote(url: str, name: str = "#any", **options: Any) -> RemoteRenderer:
    return RemoteRenderer(f"{url}{name}", sleep=lambda seconds: None, **options)


def request_of(plan: ScenePlan | None = None, **fields: Any) -> RenderRequest:
    return RenderRequest.model_validate({"plan": plan or plan_of(2)} | fields)


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "absolute", "caption", "size"),
    [
        ("openai:gpt-image-2", "openai:gpt-image-2", "prose", 1024),
        ("HTTP://Host:8000/v1/#Qwen/Qwen-Image", "http://host:8000/v1#Qwen/Qwen-Image", "prose", 1328),
        ("https://host/v1", "https://host/v1", "prose", 1024),
        ("http://host/v1#ideogram-4", "http://host/v1#ideogram-4", "ideogram4", 1024),
        ("http://host/v1#m,caption=vgl", "http://host/v1#m,caption=fibo", "fibo", 1024),
    ],
)
def test_a_name_says_server_model_and_caption(name: str, absolute: str, caption: str, size: int) -> None:
    model: Any = checkpoint(name)
    assert (model.name, absolute_name(name), model.caption, model.size) == (absolute, absolute, caption, size)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("openai:", "which model"), ("http://", "is no URL"), ("http://h:x/v1#m", "Port"),
        ("http://me:secret@h/v1#m", "neither a password"), ("http://h/v1?key=secret#m", "nor a query"),
        ("http://h/v1#m,caption=paint", "no layout format 'paint'"), ("http://h/v1#m,caption=krita", "prompted in"),
    ],
)  # fmt: skip
def test_a_name_that_is_none_is_refused_and_no_password_is_repeated(name: str, words: str) -> None:
    with pytest.raises(ModelError, match=words) as error:
        checkpoint(name)
    assert "secret" not in str(error.value)


# --- pictures -----------------------------------------------------------------------------------------------------


def test_a_plan_is_one_prompt_with_places_and_the_picture_says_what_drew_it(tmp_path: Path) -> None:
    with image_server(draws("teal")) as server:
        result = remote(server.url, key="k").render(request_of())
    models, call = server.calls
    assert models.path == "models" and call.path == "images/generations" and call.key == "Bearer k"
    sent = {"model": "any", "size": "96x96", "response_format": "b64_json"}
    assert call.fields == sent | {"prompt": "many things in rows. On the left: a, red. On the right: b, red."}
    assert result.image.getpixel((5, 5)) == (0, 128, 128) and result.latents is None
    assert result.request.model == f"{server.url}#any" and result.request.plan == plan_of(2)
    write_result(tmp_path / "picture.png", result)
    again = read_result(tmp_path / "picture.png")
    assert isinstance(again, RenderResult) and again.request == result.request and not again.latents
    assert read_metadata(tmp_path / "picture.png")[1] == result.warnings
    assert any("need not keep to them" in warning for warning in result.warnings)


def test_a_model_of_captions_gets_one() -> None:
    plan = changed(plan_of(2), lettering="OPEN", colors=["#ff0000"])
    with image_server(draws()) as server:
        result = remote(server.url, "#ideogram-4").render(request_of(plan))
    caption = json.loads(server.calls[-1].fields["prompt"])
    element = caption["compositional_deconstruction"]["elements"][0]
    assert element["bbox"] == [0, 0, 1000, 500] and element["text"] == "OPEN" and result.warnings == ()


def test_candidates_are_asked_for_at_once_and_again_where_one_comes() -> None:
    def one(call: Call) -> Any:
        return pictures(png(size=call.size)) if call.path.startswith("images") else None

    for answer, counts in ((draws(), [3]), (one, [3, 2, None])):
        with image_server(answer) as server:
            results = remote(server.url).candidates(request_of(), 3)
        assert [call.fields.get("n") for call in server.calls[1:]] == counts
        assert len({result.request.seed for result in results}) == 3


def test_another_size_is_said_and_kept_if_a_plan_may_have_it() -> None:
    for drawn, kept in (((128, 96), (128, 96)), ((100, 90), (96, 96))):
        with image_server(lambda call: pictures(png(size=drawn)) if call.path != "models" else None) as server:
            result = remote(server.url).render(request_of())
        assert result.image.size == result.request.plan.size == kept
        assert any(f"drew {drawn[0]}×{drawn[1]} pixels, not 96×96" in warning for warning in result.warnings)


def test_what_a_server_does_not_take_is_left_out() -> None:
    def strict(call: Call) -> Any:
        for name in ("response_format", "size"):
            if name in call.fields:
                return refuses(400, f"Unknown parameter: '{name}'.", param=name)
        return pictures(png()) if call.path != "models" else None

    with image_server(strict) as server:
        warnings = remote(server.url).render(request_of()).warnings
    assert any("does not take this size" in warning for warning in warnings)
    assert not any("response_format" in warning for warning in warnings)


def test_openai_gets_a_size_that_it_draws() -> None:
    def dated(call: Call) -> Any:
        standard = call.size in ((1024, 1024), (1536, 1024), (1024, 1536))
        return pictures(png(size=call.size)) if standard else refuses(400, "Invalid size", param="size")

    wide = plan_of(2).model_copy(update={"width": 1280, "height": 768})
    with image_server(dated) as server:
        result = RemoteRenderer("openai:gpt-image-2", key="k", base_url=server.url).render(request_of(wide))
    assert [call.fields["size"] for call in server.calls] == ["1280x768", "1536x1024"]
    assert "response_format" not in server.calls[0].fields and result.image.size == (1536, 1024)


# --- what it cannot be told: every field acts, or there is a warning ------------------------------------------------


def fields_of_a_request(folder: Path) -> dict[str, dict[str, Any]]:
    """Each field of a request set to what is not its default, with what else it needs."""
    (folder / "a.png").write_bytes(png())
    file = FileRef.of(folder / "a.png")
    return {
        "plan": {"plan": plan_of(4)}, "model": {}, "edits": {"edits": [CHANGE]}, "seed": {"seed": 5},
        "steps": {"steps": 3}, "guidance_scale": {"guidance_scale": 2}, "solver": {"solver": "euler"},
        "prompt_schedule": {"prompt_schedule": preset("regions")}, "together": {"seed": 1, "together": [1, 2]},
        "image": {"image": file}, "denoise": {"image": file, "denoise": 0.5}, "fit": {"image": file, "fit": "contain"},
        "background": {"image": file, "background": "navy"}, "controls": {"controls": [Control(model="m", image=file)]},
        "loras": {"loras": [Lora(file=file)]}, "save_memory": {"save_memory": ["int8"]}, "dtype": {"dtype": "bfloat16"},
        "step_cache": {"step_cache": 0.1}, "compile": {"compile": True},
    }  # fmt: skip


PLANS: dict[str, dict[str, Any]] = {
    "width": {"width": 112}, "height": {"height": 112}, "scene": {"scene": LeveledPrompt(high_level="zzz")},
    "style": {"style": "ink"}, "colors": {"colors": ["#ff0000"]}, "negative": {"negative": "zzz"},
    "regions": {"regions": plan_of(4).regions}, "notes": {"notes": ["left out: a dog"]},
}  # fmt: skip
REGIONS: dict[str, Any] = {
    "box": Box(left=0, top=0, right=0.2, bottom=0.2), "prompt": LeveledPrompt(high_level="zzz"), "negative": "zzz",
    "z_order": 3, "seed": 9, "feather": 2.0, "strength": 0.5, "start": 0.5, "end": 0.5, "lettering": "OPEN",
    "colors": ["#00ff00"], "name": None, "mask": None,
}  # fmt: skip


def test_every_field_is_sent_or_said_not_to_be(tmp_path: Path) -> None:
    named = fields_of_a_request(tmp_path)
    assert set(named) == set(RenderRequest.model_fields)
    assert set(PLANS) == set(ScenePlan.model_fields) and set(REGIONS) == set(Region.model_fields)
    cases = [("request." + name, request_of(**fields)) for name, fields in named.items() if fields]
    cases += [(f"plan.{name}", request_of(plan_of(2).model_copy(update=fields))) for name, fields in PLANS.items()]
    cases += [
        (f"region.{name}", request_of(changed(plan_of(2), **{name: value})))
        for name, value in REGIONS.items()
        if value is not None  # a name is nobody's business, a shape is the test below
    ]
    with image_server(draws()) as server:
        renderer = remote(server.url)

        def told(request: RenderRequest) -> tuple[Any, set[str]]:
            before = len(server.calls)
            warnings = set(renderer.render(request).warnings)
            return [call.fields for call in server.calls[before:] if call.path != "models"], warnings

        sent, said = told(request_of())
        for name, request in cases:
            more_sent, more_said = told(request)
            assert more_sent != sent or more_said - said, f"{name} is ignored in silence"


def test_syntax_and_devices_are_said() -> None:
    plan = changed(plan_of(2), prompt=LeveledPrompt(high_level="a (red:1.3) cat <lora:gone:1>"))
    with image_server(draws()) as server:
        result = remote(server.url, device="cuda:1").render(request_of(plan))
    assert "a red cat" in server.calls[-1].fields["prompt"]
    for words in ("takes no weights", "no LoRA 'gone'", "device 'cuda:1': not used"):
        assert any(words in warning for warning in result.warnings), words


# --- edits ----------------------------------------------------------------------------------------------------------


def test_an_edit_is_drawn_under_a_mask_and_nothing_else_changes() -> None:
    with image_server(draws("lime")) as server:
        renderer = remote(server.url)
        base = replace(renderer.render(request_of()), image=Image.new("RGB", (96, 96), "navy"))
        edited = renderer.edit(base, CHANGE)
    call = server.calls[-1]
    assert call.path == "images/edits" and call.fields["prompt"].startswith("many things in rows. On the left: an owl")
    mask = np.asarray(Image.open(BytesIO(call.files["mask"])))[..., 3]
    assert Image.open(BytesIO(call.files["image"])).getpixel((0, 0)) == (0, 0, 128)
    assert (mask[:, :48] == 0).all() and (mask[:, 48:] == 255).all()  # no margin in another region
    pixels = np.asarray(edited.image)
    assert (pixels[:, 48:] == np.asarray(base.image)[:, 48:]).all() and (pixels[20:70, 10:30] == (0, 255, 0)).all()
    assert edited.request.edits == [CHANGE]
    with pytest.raises(ValueError, match="changes nothing visible"):
        renderer.edit(base, Revision(scene=LeveledPrompt(high_level="other")))


def test_without_edits_the_whole_picture_is_drawn_anew_and_that_is_said() -> None:
    def no_edits(call: Call) -> Any:
        return draws("lime")(call) if call.path == "images/generations" else None

    with image_server(no_edits) as server:
        renderer = remote(server.url)
        edited = renderer.edit(renderer.render(request_of()), CHANGE)
    assert "an owl" in server.calls[-1].fields["prompt"] and edited.image.getpixel((90, 50)) == (0, 255, 0)
    assert "this server has no edits: the whole picture was drawn anew" in edited.warnings


# --- faults ---------------------------------------------------------------------------------------------------------


def bomb() -> bytes:
    """A PNG that says it has 60,000×60,000 pixels."""
    content = bytearray(png())
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    content[29:33] = crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


FAULTS: dict[str, tuple[Any, type[DitpipeError], str]] = {
    "key": (lambda: refuses(401, "no such key"), ModelError, "wants another key .401.: no such key; set DITPIPE_IMAGE"),
    "policy": (
        lambda: refuses(400, "rejected by the safety system", code="moderation_blocked"), RenderError,
        "does not draw this by its content policy: rejected by the safety system$",
    ),
    "refused": (lambda: refuses(400, "prompt: too long"), RenderError, "refuses the request .400.: prompt: too long"),
    "no model": (lambda: refuses(404, "no model", code="model_not_found"), ModelError, "does not have this"),
    "credit": (lambda: refuses(429, "empty", code="insufficient_quota"), ModelError, "no credit"),
    "busy": (lambda: refuses(503, "warming up", headers={"Retry-After": "0"}), ModelError, "after 3 tries"),
    "a page": (lambda: Response("<!doctype html>", 502), ModelError, "a web page"),
    "no JSON": (lambda: Response("hello"), ModelError, "gave no JSON"),
    "nothing": (lambda: {"data": []}, ModelError, "without a picture"),
    "no place": (lambda: {"data": [{}]}, ModelError, "neither b64_json nor url"),
    "no base64": (lambda: {"data": [{"b64_json": "%%%"}]}, ModelError, "base64|Invalid|Only"),
    "no picture": (lambda: pictures(b"text"), ModelError, "not a picture"),
    "a bomb": (lambda: pictures(bomb()), ModelError, "too many pixels"),
    "a file": (lambda: {"data": [{"url": "file:///etc/passwd"}]}, ModelError, "is not fetched"),
    "my machine": (lambda: {"data": [{"url": "http://127.0.0.1:1/a.png"}]}, ModelError, "not public"),
    "my network": (lambda: {"data": [{"url": "https://[::ffff:192.168.0.1]/a.png"}]}, ModelError, "not public"),
    "a cloud's keys": (lambda: {"data": [{"url": "http://169.254.169.254/latest"}]}, ModelError, "not public"),
    "moved": (lambda: Response(status_code=307, headers={"location": "http://evil/"}), ModelError, "sends on to"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line(name: str) -> None:
    make, kind, words = FAULTS[name]
    with image_server(lambda call: make() if call.path.startswith("images") else None) as server:
        with pytest.raises(kind, match=words) as error:
            remote(server.url).render(request_of())
    assert "\n" not in str(error.value)


def test_a_busy_server_is_asked_again_as_late_as_it_says_and_an_absent_one_is_named() -> None:
    answers = [refuses(429, "slow down", headers={"Retry-After": "7"}), None]

    def busy(call: Call) -> Any:
        return (answers.pop(0) or draws()(call)) if call.path != "models" else None

    waits: list[float] = []
    with image_server(busy) as server:
        RemoteRenderer(f"{server.url}#any", sleep=waits.append).render(request_of())
    assert waits == [7] and len(server.calls) == 3
    with pytest.raises(ModelError, match=f"cannot reach {server.url}"):
        remote(server.url).render(request_of())


def test_a_picture_may_come_by_its_address_on_the_same_server() -> None:
    def linked(call: Call) -> Any:
        return png("olive") if call.path == "files/a.png" else {"data": [{"url": "/v1/files/a.png"}]}

    with image_server(linked) as server:
        image = remote(server.url, key="k").render(request_of()).image
    assert image.getpixel((0, 0)) == (128, 128, 0) and server.calls[-1].key == "Bearer k"


def test_a_cancelled_job_does_not_wait_for_the_answer() -> None:
    import threading

    answering = threading.Event()

    def late(call: Call) -> Any:
        if call.path != "models":
            answering.wait()
        return draws()(call)

    def cancel(step: Step) -> None:
        raise JobCancelled

    with image_server(late) as server:
        try:
            with pytest.raises(JobCancelled):
                remote(server.url).render(request_of(), cancel)
        finally:
            answering.set()


# --- keys -----------------------------------------------------------------------------------------------------------


def key_sent(server_url: str, calls: list[Call], model: str, **settings: Any) -> str | None:
    Agent(model=model, critic="none", **settings).renderer.render(request_of(seed=len(calls)))
    return calls[-1].key


def test_a_key_goes_to_the_server_that_it_was_given_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "openai")
    with image_server(draws()) as server:
        url = server.url
        assert key_sent(url, server.calls, f"{url}#m") is None  # OpenAI's key stays with OpenAI
        assert key_sent(url, server.calls, f"{url}#m", image_api_key="own") == "Bearer own"
        there = {"planner": "any", "base_url": url, "api_key": "llm"}
        assert key_sent(url, server.calls, f"{url}#m", **there) == "Bearer llm"
        elsewhere = there | {"base_url": "http://127.0.0.1:9/v1"}
        assert key_sent(url, server.calls, f"{url}#m", **elsewhere) is None
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        assert key_sent(url, server.calls, "openai:gpt-image-2", image_api_key="own") == "Bearer openai"
    monkeypatch.setenv("DITPIPE_MODEL", "http://mine/v1#m")
    monkeypatch.setenv("DITPIPE_IMAGE_API_KEY", "mine")
    assert Settings().image_key("http://mine/v1#m") == "mine"
    with pytest.raises(ValueError, match="was given for http://mine/v1#m"):
        Settings(model="http://other/v1#m")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelError, match="set OPENAI_API_KEY"):
        Agent(model="openai:gpt-image-2", critic="none").renderer  # noqa: B018


def test_the_doctor_asks_the_server_that_is_set_up() -> None:
    listed = {"data": [{"id": "other", "owned_by": "vllm"}]}
    with image_server(lambda call: listed if call.path == "models" else None) as server:
        (well,), (ill,) = (image_server_check(Settings(model=f"{server.url}#{name}")) for name in ("other", "mine"))
    assert well.ok and "written into the prompt" in well.detail
    assert not ill.ok and "does not list 'mine': it has other" in ill.detail
    assert image_server_check(Settings()) == []
