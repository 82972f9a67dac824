"""The HTTP service with OpenAI's own client, with curl, and with whatever schemathesis thinks of."""

import base64
import inspect
import json
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import PATIENCE, expected, tiny_agent
from http_servers import listening
from openai import BadRequestError, NotFoundError, OpenAI, RateLimitError, UnprocessableEntityError
from openai.types import ImagesResponse
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from plans import plan_of
from png_files import png_bytes

from ditpipe import PromptSchedule, Renderer, RenderRequest, RenderResult, Revision, ScenePlan
from ditpipe.agent.wiring import change_reader, critique_of, picture_service, plan_brief
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS
from ditpipe.renderer.pictures.artifacts import request_in
from ditpipe.renderer.regions.mask_image import shape_of
from ditpipe.renderer.regions.prompt_schedule import preset
from ditpipe.tools.auth import Keys
from ditpipe.tools.http_service import http_service
from ditpipe.tools.jobs.engine import Job
from ditpipe.tools.jobs.job_events import JobEvent
from ditpipe.tools.jobs.service import PictureService
from ditpipe.tools.openai_images_schema import nearest_size


@pytest.fixture(scope="module")
def address(tiny: Renderer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    agent = tiny_agent(tiny, tmp_path_factory.mktemp("http"))
    app = http_service(
        picture_service(agent, largest=192, patience=PATIENCE),
        checkpoint=CHECKPOINTS["pocket"], critique=critique_of(agent), keys=Keys(),
        request_for=agent.request, plan=lambda *brief: plan_brief(agent, *brief), version="0",
        read=change_reader(agent),
    )  # fmt: skip
    with listening(app) as address:
        yield address


@pytest.fixture(scope="module")
def client(address: str) -> OpenAI:
    return OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


def first_of(answer: ImagesResponse) -> Image.Image:
    assert answer.data
    return picture_of(answer.data[0].b64_json)


def curl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["curl", "-sS", "--max-time", "60", *arguments], capture_output=True, check=True)


def post(url: str, body: Any) -> Any:
    return json.loads(curl(url, "-H", "Content-Type: application/json", "-d", json.dumps(body)).stdout)


def picture_of(b64_json: str | None) -> Image.Image:
    assert b64_json is not None
    return Image.open(BytesIO(base64.b64decode(b64_json)))


# --- OpenAI's client -------------------------------------------------------------------------------------------------


def test_openai_generates_n_pictures_of_a_size(client: OpenAI) -> None:
    answer = client.images.generate(prompt="a red cat", n=2, size="128x96", model="pocket", extra_body={"seed": 3})
    pictures = [picture_of(row.b64_json) for row in answer.data or []]
    requests = [request_in(picture, name="picture") for picture in pictures]
    assert [picture.size for picture in pictures] == [(128, 96)] * 2 and answer.size == "128x96"
    assert [(each.seed, each.plan.scene.high_level, each.steps) for each in requests] == [
        (3, "a red cat", 2), (4, "a red cat", 2),
    ]  # fmt: skip
    high = client.images.generate(prompt="a red cat", quality="high")  # of the server's two steps, not the model's 20
    assert request_in(first_of(high), name="picture").steps == 3


def test_openai_is_told_what_was_not_done_as_asked(client: OpenAI) -> None:
    usual = client.images.generate(prompt="a red cat", quality="low")
    assert usual.model_extra == {"warnings": []}
    answer = client.images.generate(prompt="a red cat", partial_images=2, output_compression=50)
    assert answer.model_extra and [each.split(" ")[0] for each in answer.model_extra["warnings"]] == [
        "partial_images", "output_compression",
    ]  # fmt: skip


def test_openai_gets_a_link_that_works_without_a_key_and_cannot_be_forged(client: OpenAI) -> None:
    answer = client.images.generate(prompt="a red cat", response_format="url", quality="low")
    assert answer.data and answer.data[0].url and not answer.data[0].b64_json
    url = answer.data[0].url
    assert Image.open(BytesIO(curl(url).stdout)).format == "PNG"
    assert b"not valid" in curl(url.replace("expires=1", "expires=2")).stdout


def test_openai_streams_partial_images_and_then_the_picture(client: OpenAI) -> None:
    stream = client.images.generate(prompt="a red cat", stream=True, partial_images=2, output_format="webp")
    events = list(stream)
    names = [event.type for event in events]
    assert names == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [picture_of(event.b64_json).format for event in events] == ["WEBP"] * 3
    assert events[1].partial_image_index == 1 and events[2].size == "96x96"  # type: ignore[union-attr]
    assert events[2].usage.output_tokens == 36  # type: ignore[union-attr]


def holes(*places: tuple[int, int, int, int], picture: Image.Image | None = None) -> Image.Image:
    """A mask with these holes; of a picture, the picture itself with them."""
    mask = (picture or Image.new("RGB", (96, 96))).convert("RGBA")
    alpha = Image.new("L", (96, 96), 255)
    for place in places:
        alpha.paste(0, place)
    mask.putalpha(alpha)
    return mask


def png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    notes = PngInfo()
    for key, text in getattr(picture, "text", {}).items():
        notes.add_itxt(key, text)
    picture.save(buffer, "PNG", pnginfo=notes)
    return buffer.getvalue()


SHAPES = {
    "two opposite corners": [(0, 0, 30, 30), (70, 66, 96, 96)],
    "an L": [(5, 5, 25, 90), (5, 70, 90, 90)],
    "a corner": [(48, 0, 96, 48)],
    "a region of the plan": [(50, 0, 96, 96)],
    "a thin line": [(0, 50, 96, 53)],
    "a pinhole": [(50, 50, 51, 51)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_openai_edits_in_the_holes_alone(client: OpenAI, tiny: Renderer, shape: str) -> None:
    before = Image.open(BytesIO(expected(tiny, plan_of(2))))
    mask = holes(*SHAPES[shape])
    answer = client.images.edit(image=png(before), mask=png(mask), prompt="a blue dog")
    after, hole = np.asarray(first_of(answer)), np.asarray(mask)[..., 3] == 0
    assert np.array_equal(after[~hole], np.asarray(before)[~hole])
    changed = (after != np.asarray(before)).any(-1)
    assert changed[hole].mean() > 0.7 and answer.model_extra == {"warnings": []}
    request = request_in(first_of(answer), name="picture")
    plan = request.edited_plan
    dog = next(region for region in plan.regions if region.prompt.text.startswith("a blue dog"))
    assert dog.name == ("thing 1" if shape == "a region of the plan" else "edit 1")
    drawn = shape_of(dog)
    assert drawn is not None and np.array_equal(drawn, hole)
    again = tiny.render(RenderRequest.model_validate_json(request.model_dump_json()))
    assert again.image.tobytes() == first_of(answer).tobytes()


def test_a_variation_is_the_same_plan_from_other_noise(client: OpenAI, tiny: Renderer) -> None:
    def drawn(schedule: str) -> bytes:
        request = RenderRequest(plan=plan_of(2), model=tiny.model, seed=5, steps=2, prompt_schedule=preset(schedule))
        return png_bytes(tiny.render(request))

    answer = client.images.create_variation(image=drawn(CHECKPOINTS["pocket"].prompt_schedule), n=2, size="256x256")
    pictures = [picture_of(row.b64_json) for row in answer.data or []]
    requests = [request_in(picture, name="picture") for picture in pictures]
    assert [(each.seed, each.plan, each.steps) for each in requests] == [(6, plan_of(2), 2), (7, plan_of(2), 2)]
    assert answer.model_extra == {"warnings": ["size 256x256 is not used: the picture's is kept, 96x96"]}
    other = client.images.create_variation(image=drawn("regions"))
    assert other.model_extra == {"warnings": ["prompt schedule: this server's, not that of the picture"]}


def test_what_a_format_loses_is_said(client: OpenAI, tiny: Renderer) -> None:
    whole = client.images.generate(prompt="a red cat", quality="low", extra_body={"seed": 3})
    webp = client.images.generate(prompt="a red cat", quality="low", output_format="webp", extra_body={"seed": 3})
    assert webp.model_extra == {"warnings": []} and first_of(webp).tobytes() == first_of(whole).tobytes()
    jpeg = client.images.generate(prompt="a red cat", quality="low", output_format="jpeg")
    assert jpeg.model_extra and jpeg.model_extra["warnings"][0].startswith("a JPEG loses fine detail")


def test_what_lies_under_a_hole_is_gone_and_a_fine_mask_is_said_to_be_one(client: OpenAI, tiny: Renderer) -> None:
    before = expected(tiny, plan_of(2))
    whole = client.images.edit(image=before, mask=png(holes((0, 0, 96, 96))), prompt="a blue dog")
    assert whole.model_extra == {"warnings": []}
    plan = request_in(first_of(whole), name="picture").edited_plan
    assert [region.prompt.text for region in plan.regions] == ["a blue dog"]
    noise = np.random.default_rng(0).random((96, 96)) < 0.3
    fine = Image.new("RGBA", (96, 96))
    fine.putalpha(Image.fromarray((255 * ~noise).astype(np.uint8)))
    answer = client.images.edit(image=before, mask=png(fine), prompt="a blue dog")
    assert answer.model_extra == {
        "warnings": ["the free shape of 'edit 1' is finer than the model's tokens: it is drawn in pieces"]
    }
    after = np.asarray(first_of(answer))
    assert np.array_equal(after[~noise], np.asarray(Image.open(BytesIO(before)))[~noise])


def test_a_picture_is_its_own_mask(client: OpenAI, tiny: Renderer) -> None:
    before = Image.open(BytesIO(expected(tiny, plan_of(2))))
    mask = holes(*SHAPES["an L"], picture=before)
    mask.text = before.text  # type: ignore[attr-defined]
    by_itself = client.images.edit(image=png(mask), prompt="a blue dog")
    by_mask = client.images.edit(image=png(before), prompt="a blue dog", mask=png(mask))
    assert first_of(by_itself).tobytes() == first_of(by_mask).tobytes()


def test_without_a_mask_the_whole_picture_is_drawn_anew(client: OpenAI, tiny: Renderer) -> None:
    answer = client.images.edit(
        image=expected(tiny, plan_of(2)), prompt="start over: a blue dog", quality="high", size="256x256"
    )
    plan = request_in(first_of(answer), name="picture").edited_plan
    assert [region.prompt.text for region in plan.regions] == ["a blue dog"] == [plan.scene.text]
    assert answer.model_extra and [each.split(" ")[0] for each in answer.model_extra["warnings"]] == [
        "quality", "size", "no",
    ]  # fmt: skip


def test_a_picture_that_was_changed_by_hand_is_not_what_its_plan_draws(client: OpenAI, tiny: Renderer) -> None:
    retouched = Image.open(BytesIO(expected(tiny, plan_of(2))))
    retouched.putpixel((90, 90), (1, 2, 3))
    answer = client.images.edit(image=png(retouched), mask=png(holes(*SHAPES["an L"])), prompt="a blue dog")
    assert answer.model_extra and "the uploaded picture differs from" in answer.model_extra["warnings"][0]
    assert json.loads(first_of(answer).text["ditpipe"])["warnings"] == answer.model_extra["warnings"]  # type: ignore[attr-defined]


def test_a_later_edit_sees_around_a_free_shape(client: OpenAI, tiny: Renderer) -> None:
    before = Image.open(BytesIO(expected(tiny, plan_of(2))))
    mask = holes(*SHAPES["two opposite corners"])
    once = first_of(client.images.edit(image=png(before), mask=png(mask), prompt="a blue dog"))
    request = request_in(once, name="picture")
    twice = tiny.edit(request, Revision(changes=[RegionChange(name="thing 0", seed=7)]))
    redrawn = (np.asarray(twice.image) != np.asarray(once)).any(-1)
    assert redrawn[40:90, 2:40].mean() > 0.9 and not redrawn[66:, 70:].any()
    moved = tiny.edit(request, Revision(changes=[RegionChange(name="edit 1", box=plan_of(2).regions[1].box)]))
    assert not moved.request.edited_plan.region("edit 1").mask
    assert Revision.between(request.edited_plan, moved.request.edited_plan)


@pytest.mark.parametrize("hole", [(50, 0, 96, 96), (48, 0, 96, 48)])  # a region of the plan, and none
def test_an_edit_keeps_what_made_the_picture_or_is_refused(client: OpenAI, tiny: Renderer, hole: Any) -> None:
    mask, holed = Image.new("RGBA", (96, 96), "black"), BytesIO()
    mask.paste((0, 0, 0, 0), hole)
    mask.save(holed, "PNG")

    def edit(**options: Any) -> RenderRequest:
        request = RenderRequest.model_validate({"plan": plan_of(2), "model": tiny.model, "steps": 2} | options)
        picture = png_bytes(RenderResult(request, Image.new("RGB", (96, 96)), torch.zeros(1), 0.0))
        answer = client.images.edit(image=picture, mask=holed.getvalue(), prompt="a blue dog")
        return request_in(first_of(answer), name="picture")

    made = edit(prompt_schedule=preset("regions"), step_cache=0.2, guidance_scale=2, seed=5, together=[5, 6])
    assert (made.prompt_schedule, made.step_cache, made.guidance_scale, made.seed, made.together) == (
        preset("regions"), 0.2, 2, 5, [5, 6],
    )  # fmt: skip
    lora = {"file": {"path": "/lora.safetensors", "sha256": "0" * 64}}
    for wrong, said in (({"model": "sdxl"}, "'sdxl' drew this picture"), ({"loras": [lora]}, "files of its own")):
        with pytest.raises(BadRequestError, match=said):
            edit(**wrong)


def test_openai_edits_a_region_of_the_plan_and_all_else_stays(client: OpenAI, tiny: Renderer) -> None:
    before, mask, hole = expected(tiny, plan_of(2)), Image.new("RGBA", (96, 96), "black"), BytesIO()
    mask.paste((0, 0, 0, 0), (50, 0, 96, 96))
    mask.save(hole, "PNG")
    answer = client.images.edit(image=before, mask=hole.getvalue(), prompt="a blue dog")
    after = first_of(answer)
    plan = request_in(after, name="picture").edited_plan
    assert plan.regions[0] == plan_of(2).regions[0] and plan.regions[1].prompt.text == "a blue dog"
    far = (0, 0, 16, 96)
    assert after.crop(far).tobytes() == Image.open(BytesIO(before)).crop(far).tobytes()


def test_openai_is_told_what_it_got_wrong(client: OpenAI, tmp_path: Path) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("model 'gpt-image-2' is not served here: use 'pocket'", {"model": "gpt-image-2"}),
        ("multiples of 16", {"size": "100x100"}),
        ("1024×1024 pixels are too many: at most 192", {"size": "1024x1024"}),
        ("n: Input should be less than or equal to 10", {"n": 11}),
        ("background: Input should be", {"background": "transparent"}),
        ("style: Input should be 'vivid' or 'natural'", {"style": "cubist"}),
        ("prompt: String should have at least 1 character", {"prompt": ""}),
    ]
    for said, arguments in wrong:
        with pytest.raises(BadRequestError) as caught:
            client.images.generate(**{"prompt": "a cat"} | arguments)
        assert said in caught.value.message and caught.value.body["type"] == "invalid_request_error"  # type: ignore[index]
    Image.new("RGB", (96, 96)).save(tmp_path / "photo.png")
    with pytest.raises(BadRequestError, match="holds no plan"):
        client.images.edit(image=tmp_path / "photo.png", mask=tmp_path / "photo.png", prompt="a dog")


@pytest.mark.parametrize("route", ["edits", "variations"])
def test_a_second_picture_is_refused_under_whichever_name(address: str, tmp_path: Path, route: str) -> None:
    Image.new("RGB", (96, 96)).save(tmp_path / "one.png")
    parts = ["-F", f"image=@{tmp_path / 'one.png'}"] * 2 + (["-F", "prompt=a dog"] if route == "edits" else [])
    answer = json.loads(curl(f"{address}/v1/images/{route}", *parts).stdout)
    assert answer["error"]["message"] == "image: send exactly one picture, not 2"


def test_a_stream_has_no_links(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="response_format: a stream carries the picture itself"):
        list(client.images.generate(prompt="a red cat", stream=True, response_format="url"))


def test_several_pictures_share_the_time_that_a_client_waits(tiny: Renderer, tmp_path: Path) -> None:
    agent, waits = tiny_agent(tiny, tmp_path), list[float]()

    class Noting(PictureService):
        def afollow(self, job: Job, *, patience: float | None = None) -> AsyncIterator[Job | JobEvent]:
            waits.append(patience or 0)
            return super().afollow(job, patience=patience)

    app = http_service(
        Noting(picture_service(agent).jobs), checkpoint=CHECKPOINTS["pocket"], critique=critique_of(agent),
        keys=Keys(), version="0", request_for=agent.request, plan=lambda *brief: plan_brief(agent, *brief),
    )  # fmt: skip
    with listening(app) as address:
        assert len(post(f"{address}/v1/images/generations", {"prompt": "a red cat", "n": 3})["data"]) == 3
    assert len(waits) == 3 and waits[0] > waits[1] > waits[2]


def test_openai_lists_the_model_and_finds_it(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["pocket"]
    assert client.models.retrieve("pocket").id == "pocket"
    with pytest.raises(NotFoundError) as caught:
        client.models.retrieve("gpt-image-2")
    assert caught.value.code == "model_not_found" and "'pocket' is" in caught.value.message


def test_null_means_not_given(client: OpenAI, tiny: Renderer) -> None:
    """Some programs fill in every argument of the official client, most of them with None."""

    def nothing(function: Any) -> dict[str, Any]:
        names = [name for name in inspect.signature(function).parameters if not name.startswith("extra_")]
        return dict.fromkeys(set(names) - {"prompt", "image", "mask", "markup", "timeout"})

    generated = client.images.generate(prompt="a red cat", **nothing(client.images.generate))
    assert first_of(generated).size == (96, 96) and len(generated.data or []) == 1
    given = {"image": expected(tiny, plan_of(2)), "mask": png(holes(*SHAPES["a corner"]))}
    edited = client.images.edit(**{"prompt": "a blue dog"} | given | nothing(client.images.edit))
    assert first_of(edited).size == (96, 96)


def test_the_style_is_taken_and_said_not_to_be_used(client: OpenAI) -> None:
    answer = client.images.generate(prompt="a red cat", style="vivid", safety_identifier="somebody")
    said = "style 'vivid' is not used: say in the prompt what style it should have"
    assert answer.model_extra == {"warnings": [said]}


def test_the_answer_says_what_was_drawn_and_how_well(client: OpenAI) -> None:
    row = (client.images.generate(prompt="a red cat").data or [])[0]
    assert row.revised_prompt == "a red cat" and row.model_extra == {"score": 1.0}
    *_, last = client.images.generate(prompt="a red cat", stream=True)
    extra = last.model_extra or {}
    assert (extra["revised_prompt"], extra["score"], extra["warnings"]) == ("a red cat", 1.0, [])


def test_other_models_and_sizes_map_to_what_is_here_where_that_is_wanted(tiny: Renderer, tmp_path: Path) -> None:
    agent = tiny_agent(tiny, tmp_path)
    app = http_service(
        picture_service(agent, largest=192, patience=PATIENCE),
        checkpoint=replace(tiny.checkpoint, name="pocket"), critique=critique_of(agent), keys=Keys(),
        request_for=agent.request, plan=lambda *brief: plan_brief(agent, *brief), compatible=True, version="0",
    )  # fmt: skip
    with listening(app) as address:
        client = OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
        answer = client.images.generate(prompt="a red cat", model="gpt-image-1", size="1536x1024")
        fitting = client.images.generate(prompt="a red cat", size="192x96")
        assert client.models.retrieve("gpt-image-1").id == "pocket"
    assert first_of(answer).size == (160, 112) and answer.size == "160x112" and first_of(fitting).size == (192, 96)
    assert answer.model_extra == {
        "warnings": [
            "model 'gpt-image-1' is not served here: 'pocket' drew this",
            "size 1536x1024 is not drawn here: this is 160x112",
        ]
    }
    assert fitting.model_extra == {"warnings": []}


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        ("auto", "auto"),
        ("1024x1024", "256x256"),
        ("100x100", "256x256"),
        ("4096x64", "512x64"),
        ("160x96", "160x96"),
        ("1536x1024", "320x224"),
    ],
)
def test_the_nearest_size_keeps_the_shape_as_far_as_it_can(asked: str, drawn: str) -> None:
    assert nearest_size(asked, usual=256, largest=512, multiple=32) == drawn


def test_an_edit_without_a_mask_is_read_as_in_the_chat(client: OpenAI, tiny: Renderer) -> None:
    before = expected(tiny, plan_of(2))
    answer = client.images.edit(image=before, prompt="swap the two", n=2)
    requests = [request_in(picture_of(row.b64_json), name="picture") for row in answer.data or []]
    boxes = [region.box for region in reversed(plan_of(2).regions)]
    assert all([region.box for region in each.edited_plan.regions] == boxes for each in requests)
    assert [each.edited_plan.regions[0].seed for each in requests] == [0, 1]
    assert answer.model_extra == {"warnings": ["no mask: 'swap the two' was read as a change"]}
    less = request_in(first_of(client.images.edit(image=before, prompt="remove thing 0")), name="picture")
    assert [region.name for region in less.edited_plan.regions] == ["thing 1"]
    again = request_in(first_of(client.images.edit(image=before, prompt="try again")), name="picture")
    assert again.plan == plan_of(2) and again.seed != 0


@pytest.mark.parametrize("prompt", ["what is on the left?", "undo", "make the dragon bigger"])
def test_what_is_no_change_does_not_throw_the_picture_away(client: OpenAI, tiny: Renderer, prompt: str) -> None:
    with pytest.raises(BadRequestError, match="prompt: "):
        client.images.edit(image=expected(tiny, plan_of(2)), prompt=prompt)


@pytest.mark.slow
def test_twenty_clients_at_once_each_get_their_own_picture(client: OpenAI) -> None:
    def ask(number: int) -> tuple[int, str]:
        answer = client.images.generate(prompt=f"cat {number}", extra_body={"seed": number}, quality="low")
        request = request_in(first_of(answer), name="picture")
        return request.seed, request.plan.scene.high_level

    with ThreadPoolExecutor(20) as crowd:
        assert list(crowd.map(ask, range(20))) == [(number, f"cat {number}") for number in range(20)]


# --- curl ------------------------------------------------------------------------------------------------------------


def test_curl_draws_a_plan_and_fetches_the_file(address: str, tiny: Renderer) -> None:
    one = post(f"{address}/v1/pictures", {"plan": plan_of(2).model_dump(), "steps": 2, "seed": 7})
    assert one["status"] == "done" and one["path"] == f"/v1/pictures/{one['id']}/image"
    assert curl(address + one["path"]).stdout == expected(tiny, plan_of(2), seed=7)
    assert Image.open(BytesIO(curl(address + one["preview"]).stdout)).size == (48, 48)
    assert one["id"] in [row["id"] for row in json.loads(curl(f"{address}/v1/pictures").stdout)]


def test_curl_is_told_what_is_wrong_with_its_order(address: str) -> None:
    wrong: list[tuple[str, Any]] = [
        ("width: Input should be a multiple of 16", {"brief": "x", "width": 100}),
        ("brief: String should have at least 1 character", {"brief": ""}),
        ("brief: Field required", {"breif": "x"}),
        ("plan.scene: Field required", {"plan": {"regions": []}}),
        ("steps: Input should be greater than or equal to 1", {"plan": plan_of(2).model_dump(), "steps": 0}),
        ("rounds: Extra inputs are not permitted", {"plan": plan_of(2).model_dump(), "rounds": 2}),
        ("body: give an object with brief", [1]),
    ]
    for said, body in wrong:
        error = post(f"{address}/v1/pictures", body)["error"]
        assert error["message"].startswith(said) and error["param"] in (said.split(":")[0], None), error


def test_curl_plans_edits_and_criticises(address: str) -> None:
    plan = post(f"{address}/v1/plans", {"brief": "a red cat"})
    one = post(f"{address}/v1/pictures", {"plan": plan, "steps": 2})
    revision = {"changes": [{"name": "thing 1", "prompt": {"high_level": "z"}, "seed": 5}]}
    edited = post(f"{address}/v1/pictures/{one['id']}/edits", revision)
    assert ScenePlan.model_validate(edited["plan"]).region("thing 1").prompt.text == "z"
    verdict = post(f"{address}/v1/pictures/{edited['id']}/critique", {})
    assert [region["name"] for region in verdict["regions"]] == ["thing 0", "thing 1"]


def test_curl_gets_a_handle_follows_the_events_and_cancels(address: str) -> None:
    order = {"plan": plan_of(2).model_dump(), "steps": 10, "wait": False}
    one = post(f"{address}/v1/pictures", order)
    assert one["status"] in ("queued", "running") and one["path"] is None
    events = curl("-N", f"{address}/v1/pictures/{one['id']}/events").stdout.decode()
    names = [line.removeprefix("event: ") for line in events.splitlines() if line.startswith("event: ")]
    assert names[-1] == "done" and set(names) <= {"queued", "running", "done"} and names.count("running") >= 2
    slow = post(f"{address}/v1/pictures", order | {"steps": 200})
    cancelled = json.loads(curl("-X", "DELETE", f"{address}/v1/pictures/{slow['id']}").stdout)
    assert cancelled["status"] == "cancelled"
    assert b"was cancelled; it has no file" in curl(f"{address}/v1/pictures/{slow['id']}/image").stdout


def test_curl_deletes_a_picture_and_lists_the_others(tiny: Renderer, tmp_path: Path) -> None:
    with listening(service_with(tiny, tmp_path)) as address:
        order = {"plan": plan_of(2).model_dump(), "steps": 1}
        first, second, third = (post(f"{address}/v1/pictures", order)["id"] for _ in range(3))
        place = f"{address}/v1/pictures/{first}"
        assert curl("-X", "DELETE", "-w", "%{http_code}", place).stdout == b"204"
        assert curl("-o", "/dev/null", "-w", "%{http_code}", place).stdout == b"404"
        assert not list(tmp_path.rglob(f"*{first}*"))
        (tmp_path / "pictures" / f"{second}.png").unlink()
        whole = (tmp_path / "pictures" / f"{third}.png").read_bytes()
        (tmp_path / "pictures" / f"{third}.png").write_bytes(whole[:-100])  # no pixel of it is needed here
        assert [row["id"] for row in json.loads(curl(f"{address}/v1/pictures").stdout)] == [third]


def test_a_picture_whose_file_was_taken_away_is_not_found(tiny: Renderer, tmp_path: Path) -> None:
    with listening(service_with(tiny, tmp_path)) as address:
        done = post(f"{address}/v1/pictures", {"plan": plan_of(2).model_dump(), "steps": 1})
        (tmp_path / "pictures" / f"{done['id']}.png").unlink()
        for route, body in {"": None, "/image": None, "/edits": {"removed": ["thing 0"]}, "/critique": {}}.items():
            url = f"{address}/v1/pictures/{done['id']}{route}"
            answer = json.loads(curl(url).stdout) if body is None else post(url, body)
            assert answer["error"]["type"] == "not_found_error" and str(tmp_path) not in answer["error"]["message"]
        assert curl(f"{address}/v1/pictures/{done['id']}/events").stderr == b""


def test_curl_finds_the_documentation(address: str) -> None:
    assert b"swagger" in curl(f"{address}/docs").stdout
    assert "/v1/images/generations" in json.loads(curl(f"{address}/openapi.json").stdout)["paths"]


# --- faults ----------------------------------------------------------------------------------------------------------


def service_with(tiny: Renderer, folder: Path, **limits: Any) -> Any:
    agent = tiny_agent(tiny, folder)
    service = picture_service(agent, **limits)
    return http_service(
        service, checkpoint=CHECKPOINTS["pocket"], critique=critique_of(agent), keys=Keys(), version="0",
        request_for=agent.request, plan=lambda *brief: plan_brief(agent, *brief),
    )  # fmt: skip


def test_a_full_queue_answers_429_with_retry_after(tiny: Renderer, tmp_path: Path) -> None:
    with listening(service_with(tiny, tmp_path, capacity=1)) as address:
        order = {"plan": plan_of(4).model_dump(), "steps": 200, "wait": False}
        waiting = [post(f"{address}/v1/pictures", order) for _ in range(3)]
        client = OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
        with pytest.raises(RateLimitError) as caught:
            client.images.generate(prompt="a cat")
        assert int(caught.value.response.headers["Retry-After"]) >= 1 and caught.value.code == "queue_full"
        for one in waiting:
            curl("-X", "DELETE", f"{address}/v1/pictures/{one.get('id', '0' * 32)}")


def test_plans_beyond_a_few_at_once_are_asked_to_come_again_and_keep_nobody_waiting(
    tiny: Renderer, tmp_path: Path
) -> None:
    agent, go = tiny_agent(tiny, tmp_path), threading.Event()

    def slow(*_: object) -> ScenePlan:
        go.wait(PATIENCE)
        return plan_of(2)

    app = http_service(
        picture_service(agent, patience=PATIENCE),
        checkpoint=CHECKPOINTS["pocket"], critique=critique_of(agent), keys=Keys(), version="0",
        request_for=agent.request, plan=slow,
    )  # fmt: skip
    with listening(app) as address, ThreadPoolExecutor(12) as crowd:
        calls = [crowd.submit(post, f"{address}/v1/plans", {"brief": "a cat"}) for _ in range(12)]
        refused = [each.result() for each in islice(as_completed(calls), 8)]
        assert all(each["error"]["code"] == "queue_full" for each in refused)
        assert post(f"{address}/v1/pictures", {"plan": plan_of(2).model_dump(), "steps": 1})["status"] == "done"
        go.set()
        assert sum("regions" in call.result() for call in calls) == 4


def test_a_picture_that_cannot_be_drawn_is_an_error_not_a_picture(client: OpenAI, tiny: Renderer) -> None:
    request = RenderRequest(plan=plan_of(2), model=tiny.model, prompt_schedule=PromptSchedule(blocks=["scene"]))
    picture = png_bytes(RenderResult(request, Image.new("RGB", (96, 96)), torch.zeros(1), 0.0))
    with pytest.raises(UnprocessableEntityError, match="the picture could not be drawn: the prompt schedule"):
        client.images.edit(image=picture, mask=png(holes((50, 50, 51, 51))), prompt="a dog")
