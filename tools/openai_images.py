"""The HTTP service's other half: OpenAI's Images API, so that the official client works against it unchanged."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from io import BytesIO
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from PIL import Image

from ..prompts.chat_schema import ChatCommand
from ..prompts.errors import RenderError
from ..prompts.plan import Box, LeveledPrompt, Region, ScenePlan
from ..prompts.revision import Revision
from ..renderer.checkpoints.registry import Checkpoint
from ..renderer.checkpoints.vocabulary import vocabulary_of
from ..renderer.pictures.artifacts import encode_image, metadata_text, request_in
from ..renderer.regions.mask_image import mask_text
from ..renderer.request import RenderRequest
from .api_schema import MAX_STEPS, EditOrder, PaintOrder, PictureId, check_size, check_upload, edit_of_upload
from .api_schema import picture as picture_of
from .auth import Signer, caller_of, refusal
from .jobs.queue import Job
from .jobs.service import Studio
from .openai_images_schema import EditSettings, ImageRow, ImagesAnswer, ImageSettings, nearest_size
from .requested_change import Reader, order_change
from .uploads import box_of, digest_outside, hole_in, open_upload, shared_area

PATIENCE = 590  # seconds: the client gives up after 600
LINK_LIFE = 3600  # seconds
SAME_PLACE = 0.6  # intersection over union from which on a mask means a region of the plan
STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
ANYTHING, EVERYWHERE = LeveledPrompt(high_level=""), Box(left=0, top=0, right=1, bottom=1)
SHARES = {"low": 0.5, "medium": 1.0, "standard": 1.0, "auto": 1.0, "high": 1.5, "hd": 1.5}  # of the server's steps


def images_router(
    studio: Studio,
    *,
    checkpoint: Checkpoint,
    signer: Signer,
    request_for: Callable[[ScenePlan], RenderRequest],
    read: Reader | None = None,
    compatible: bool = False,
) -> APIRouter:
    """`checkpoint` is the model that is served by its name, `request_for` a plan has the server's settings, `read`
    understands a change that is asked for without a mask, if anybody does. `compatible`: other names of models and
    other sizes are answered by what is here, and the answer says so. Raises what the service's handlers turn into
    answers."""
    router = APIRouter(prefix="/v1", tags=["OpenAI"])

    here = request_for(ScenePlan(scene=ANYTHING, regions=[Region(name="picture", box=EVERYWHERE, prompt=ANYTHING)]))

    def steps(asked: ImageSettings) -> int:
        return min(MAX_STEPS, max(1, round(SHARES[asked.quality] * (here.steps or checkpoint.steps))))

    def link(request: Request, job: Job) -> str:
        expires = int(time.time()) + LINK_LIFE
        signature = signer.sign(job.id, job.caller, expires)
        url = request.url_for("get_file", picture_id=job.id)
        return str(url.include_query_params(caller=job.caller, expires=expires, signature=signature))

    async def pictures(request: Request, jobs: list[Job], asked: ImageSettings, notes: list[str]) -> ImagesAnswer:
        rows = []
        finished = [await _finished(studio, job, request) for job in jobs]
        for job in finished:
            place: dict[str, Any] = {"url": link(request, job)} if asked.response_format == "url" else {}
            place = place or {"b64_json": _encoded(studio, job, asked)}
            rows.append(ImageRow(**place, **_drawn(studio, job)))
        return ImagesAnswer(
            created=int(time.time()), data=rows, output_format=asked.output_format, quality=_quality(asked),
            size=_size(studio, finished[0]), warnings=_warnings(studio, finished, asked, notes),
        )  # fmt: skip

    async def respond(
        kind: str, request: Request, orders: list[tuple[str, Any]], asked: ImageSettings, notes: list[str]
    ) -> Any:
        if asked.stream and len(orders) > 1:
            raise ValueError("n: one picture at a time is streamed")
        if asked.response_format == "url" and asked.output_format != "png":
            raise ValueError("output_format: links lead to PNG files; ask for b64_json, or for png")
        previews = asked.partial_images if asked.stream else 0
        jobs: list[Job] = []
        try:
            for work, order in orders:
                asked_for = order.model_dump(mode="json")
                jobs.append(studio.order(work, asked_for, caller=caller_of(request), previews=previews))
            if asked.stream:
                events = _events(studio, kind, jobs[0], asked, notes)
                return StreamingResponse(events, media_type="text/event-stream")
            return await pictures(request, jobs, asked, notes)
        except BaseException:
            for job in jobs:
                studio.jobs.cancel(job.id, caller=job.caller)
            raise

    def replaced(asked: ImageSettings) -> list[str]:
        """What of the request is answered by something else. Raises ValueError where that is not wanted here."""
        notes = []
        if asked.model not in (None, checkpoint.name):
            if not compatible:
                raise ValueError(
                    f"model {asked.model!r} is not served here: use {checkpoint.name!r}, or leave it out; "
                    "`ditpipe serve --openai-compatible` takes any name"
                )
            notes.append(f"model {asked.model!r} is not served here: {checkpoint.name!r} drew this")
        if asked.style:
            notes.append(f"style {asked.style!r} is not used: say in the prompt what style it should have")
        if isinstance(asked, EditSettings) and asked.input_fidelity:
            notes.append("input_fidelity is not used: what is not to change stays as it is")
        return notes

    row = {"id": checkpoint.name, "object": "model", "created": 0, "owned_by": "ditpipe"}
    if vocabulary := vocabulary_of(checkpoint):
        row["draws"] = vocabulary.summary  # beyond OpenAI's API

    @router.get("/models")
    def list_models() -> dict[str, Any]:
        """The model that is served."""
        return {"object": "list", "data": [row]}

    @router.get("/models/{model:path}", response_model=None)
    def get_model(model: str) -> dict[str, Any] | Response:
        """The model of that name; with --openai-compatible, the model that answers for it."""
        if model == checkpoint.name or compatible:
            return row
        return refusal(404, f"model {model!r} is not served here: {checkpoint.name!r} is", code="model_not_found")

    @router.post("/images/generations", response_model=ImagesAnswer, responses=STREAM)
    async def generate(asked: ImageSettings, request: Request) -> Any:
        """Paint a prompt: plan, draw, criticise and mend."""
        notes, size = replaced(asked), asked.size
        if compatible:
            size = nearest_size(size, usual=checkpoint.size, largest=studio.largest)
            notes += [f"size {asked.size} is not drawn here: this is {size}"] if size != asked.size else []
        width, height = asked.model_copy(update={"size": size}).pixels()
        check_size(studio, width, height)
        first = secrets.randbelow(2**31) if asked.seed is None else asked.seed
        orders = [
            ("paint", PaintOrder(brief=asked.prompt, width=width, height=height, seed=first + i, steps=steps(asked)))
            for i in range(asked.n)
        ]
        return await respond("image_generation", request, orders, asked, notes)

    @router.post("/images/edits", response_model=ImagesAnswer, responses=STREAM)
    async def edit(asked: Annotated[EditSettings, Form(media_type="multipart/form-data")], request: Request) -> Any:
        """Draw the prompt into the transparent part of the mask, or of the picture, and leave every other pixel as it
        is. Without either, a prompt that says what is to change is read as in the chat ("make the cat orange"), and any
        other takes the place of the whole picture. The picture must carry its plan."""
        notes = replaced(asked)
        given = [one for one in (asked.image, *asked.images) if one]
        if len(given) != 1:
            raise ValueError(f"image: send exactly one picture, not {len(given)}")
        picture = await asyncio.to_thread(open_upload, await given[0].read(), name="image")
        mask = None
        if asked.mask:
            mask = await asyncio.to_thread(open_upload, await asked.mask.read(), name="mask")
        elif picture.has_transparency_data and any(picture.convert("RGBA").getchannel("A").histogram()[:128]):
            mask = picture
        elif read:
            plan = request_in(picture, name="image").edited_plan
            heard = await asyncio.to_thread(read, asked.prompt, plan)
            if heard.kind == "change":
                orders = _changes(studio, picture, heard, asked, request_for, checkpoint.steps)
                notes += [*_unused(asked, picture), f"no mask: {asked.prompt[:60]!r} was read as a change"]
                return await respond("image_edit", request, orders, asked, notes)
        edits = _edits(studio, picture, mask, asked, request_for, checkpoint.steps)
        return await respond("image_edit", request, [("edit", order) for order in edits], asked, notes)

    @router.get("/files/{picture_id}", response_class=FileResponse)
    def get_file(
        picture_id: Annotated[PictureId, Path()], caller: str, expires: int, signature: str
    ) -> FileResponse:
        """A picture by the link that `response_format="url"` gave; it needs no key and ends after an hour."""
        if time.time() > expires or not signer.holds(signature, picture_id, caller, expires):
            raise ValueError("this link is not valid, or no longer")
        return FileResponse(studio.file(studio.jobs.get(picture_id, caller=caller)), media_type="image/png")

    return router


def _edits(
    studio: Studio,
    picture: Image.Image,
    mask: Image.Image | None,
    asked: ImageSettings,
    request_for: Callable[[ScenePlan], RenderRequest],
    steps: int,
) -> list[EditOrder]:
    """`n` orders. Into the transparent part of the mask the plan gets a region of just that shape, on top: in the place
    of the region that has it to itself, else one more. Without a mask the prompt takes the place of all regions."""
    request = request_in(picture, name="image")
    plan, prompt = request.edited_plan, LeveledPrompt(high_level=asked.prompt)
    seeds = [(request.seed if asked.seed is None else asked.seed) + i for i in range(asked.n)]
    names = {region.name for region in plan.regions}
    name = next(name for i in range(1, 99) if (name := f"edit {i}") not in names)
    notes = _unused(asked, picture)
    if mask is None:
        hole, shape, removed, scene = Image.new("L", picture.size, 255), "", sorted(names), prompt
        notes += ["no mask: the whole picture was drawn anew; make transparent in a mask what alone is to change"]
    else:
        hole, scene = hole_in(mask, size=picture.size, name="mask" if asked.mask else "image"), None  # type: ignore[attr-defined]
        shape = mask_text(hole)
        same = max(plan.regions, key=lambda region: shared_area(hole, region.box))
        removed = [same.name] if shared_area(hole, same.box) >= SAME_PLACE else []
        name = removed[0] if removed else name
    top = min(100, 1 + max(region.z_order for region in plan.regions))
    added = Region(name=name, box=box_of(hole), prompt=prompt, z_order=top, mask=shape)
    revisions = [
        Revision(removed=removed, added=[added.model_copy(update={"seed": seed})], scene=scene) for seed in seeds
    ]
    here, protected = request_for(plan), digest_outside(hole, picture)
    return [
        edit_of_upload(studio, request, revision, here=here, steps=steps).model_copy(
            update={"notes": notes, "protected": protected if shape else None}
        )
        for revision in revisions
    ]


def _changes(
    studio: Studio,
    picture: Image.Image,
    heard: ChatCommand,
    asked: ImageSettings,
    request_for: Callable[[ScenePlan], RenderRequest],
    steps: int,
) -> list[tuple[str, Any]]:
    """`n` orders, each with its kind of job, for a change that was asked for in words."""
    request = request_in(picture, name="image")
    here = request_for(request.edited_plan)
    check_upload(studio, request, here=here, steps=steps)
    first = request.seed % 2**62 if asked.seed is None and asked.n > 1 else asked.seed

    def edit(revision: Revision) -> EditOrder:
        return edit_of_upload(studio, request, revision, here=here, steps=steps)

    return [order_change(heard, request, edit, seed=None if first is None else first + i) for i in range(asked.n)]


def _drawn(studio: Studio, job: Job) -> dict[str, Any]:
    """What a finished picture shows, and what of its prompt it does not."""
    one = picture_of(studio, job)
    text = ", ".join(part for part in (one.plan.scene.high_level, one.plan.scene.low_level) if part) if one.plan else ""
    text += f" (not as asked: {'; '.join(one.warnings)})" if one.warnings else ""
    return {"revised_prompt": text, "score": one.critique.score if one.critique else None}


def _unused(asked: ImageSettings, picture: Image.Image) -> list[str]:
    """What an edit was asked for and does not do."""
    notes = []
    if asked.quality not in ("auto", "medium", "standard"):
        notes.append(f"quality {asked.quality!r} is not used: an edit takes the picture's own steps")
    if asked.size not in ("auto", f"{picture.width}x{picture.height}"):
        notes.append(f"size {asked.size} is not used: an edit keeps the picture's, {picture.width}x{picture.height}")
    return notes


async def _finished(studio: Studio, job: Job, request: Request) -> Job:
    """The job when it is done. Raises RenderError if it failed, TimeoutError if it takes too long."""
    async for job in studio.afollow(job, patience=PATIENCE):
        if await request.is_disconnected():
            raise TimeoutError("the client has gone")
    if not job.is_finished:
        raise TimeoutError(f"the picture was not done after {PATIENCE} seconds; POST /v1/pictures gives a handle")
    if job.status != "done":
        raise RenderError(f"the picture is {job.status}: {job.error}")
    return job


async def _events(
    studio: Studio, kind: str, job: Job, asked: ImageSettings, notes: list[str]
) -> AsyncIterator[str]:
    """The picture's server-sent events in OpenAI's names: partial images, then the completed one or an error."""
    about = {"background": "opaque", "output_format": asked.output_format, "quality": _quality(asked)}
    sent = 0
    try:
        async for job in studio.afollow(job, patience=PATIENCE):
            while sent < job.previews and studio.file(job, str(sent + 1)).exists():
                partial = _encoded(studio, job, asked, str(sent + 1))
                yield _event(f"{kind}.partial_image", about | {
                    "b64_json": partial, "partial_image_index": sent, "size": _size(studio, job, str(sent + 1)),
                })  # fmt: skip
                sent += 1
        if job.status == "done":
            size = _size(studio, job)
            width, height = map(int, size.split("x"))
            tokens = width * height // 256
            usage = {
                "input_tokens": 0, "output_tokens": tokens, "total_tokens": tokens,
                "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
            }  # fmt: skip
            final = {"b64_json": _encoded(studio, job, asked), "size": size, "usage": usage}
            final |= {"warnings": _warnings(studio, [job], asked, notes)} | _drawn(studio, job)
            yield _event(f"{kind}.completed", about | final)
        else:
            problem = job.error or f"the picture is {job.status}"
            yield _event("error", {"error": {
                "message": problem, "type": "image_generation_error", "param": None, "code": None,
            }})  # fmt: skip
    finally:
        studio.jobs.cancel(job.id, caller=job.caller)  # the client has gone; a finished job is left as it is


def _event(name: str, content: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps({'type': name, 'created_at': int(time.time())} | content)}\n\n"


def _encoded(studio: Studio, job: Job, asked: ImageSettings, kind: str = "") -> str:
    """Base64 of a picture in the format that was asked for."""
    content = studio.file(job, kind).read_bytes()
    if asked.output_format != "png":
        with Image.open(BytesIO(content)) as image:
            form, note = asked.output_format.upper(), metadata_text(image)
            content = encode_image(image.convert("RGB"), note, form, quality=asked.output_compression)
    return base64.b64encode(content).decode()


def _warnings(studio: Studio, jobs: Sequence[Job], asked: ImageSettings, notes: list[str]) -> list[str]:
    """What was not drawn as asked, of all pictures, and what of the answer is not as asked, beside `notes`."""
    notes = [*notes, *(warning for job in jobs for warning in picture_of(studio, job).warnings)]
    if asked.partial_images and not asked.stream:
        notes.append("partial_images are sent while streaming only: ask with stream=true")
    if asked.output_compression != 100 and asked.output_format == "png":
        notes.append("output_compression is for jpeg and webp; a PNG loses nothing")
    return list(dict.fromkeys(notes))


def _size(studio: Studio, job: Job, kind: str = "") -> str:
    with Image.open(studio.file(job, kind)) as image:
        return f"{image.width}x{image.height}"


def _quality(asked: ImageSettings) -> str:
    return {"auto": "medium", "standard": "medium", "hd": "high"}.get(asked.quality, asked.quality)
