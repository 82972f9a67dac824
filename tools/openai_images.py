"""OpenAI's Images API, so that its official client works against this server unchanged."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from io import BytesIO
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request, Response, UploadFile
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, format_sse_event
from PIL import Image

from ..prompts.errors import RenderError
from ..prompts.plan import Box, LeveledPrompt, Region, ScenePlan
from ..prompts.wording import scene_text
from ..renderer.checkpoints.registry import Checkpoint
from ..renderer.checkpoints.vocabulary import vocabulary_of
from ..renderer.pictures.artifacts import encode_image, jpeg_warning, metadata_text, request_in
from ..renderer.request import RenderRequest
from .api_schema import (
    MAX_STEPS,
    PaintInput,
    PictureId,
    check_size,
    picture_file,
    picture_of,
)
from .auth import Signer, caller_of, refusal
from .jobs.engine import Job
from .jobs.job_events import Stepped
from .jobs.service import PictureService
from .openai_edits import changes_of, edits_of, unused_settings, variations_of
from .openai_images_schema import (
    EditSettings,
    ImageRow,
    ImagesAnswer,
    ImageSettings,
    VariationSettings,
    nearest_size,
)
from .requested_change import ChangeReader, not_a_change
from .uploads import open_upload

PATIENCE = 590  # seconds: the client gives up after 600
LINK_LIFETIME = 3600  # seconds
STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
ANYTHING, EVERYWHERE = LeveledPrompt(high_level=""), Box(left=0, top=0, right=1, bottom=1)
ANOTHER_PICTURE = "To draw the prompt in place of the whole picture, send a mask that is transparent everywhere."
STEP_FACTORS = {"low": 0.5, "medium": 1.0, "standard": 1.0, "auto": 1.0, "high": 1.5, "hd": 1.5}  # × the server's steps


def images_router(
    service: PictureService,
    *,
    checkpoint: Checkpoint,
    signer: Signer,
    request_for: Callable[[ScenePlan], RenderRequest],
    read: ChangeReader | None = None,
    compatible: bool = False,
) -> APIRouter:
    """The routes. Errors become answers in `http_service`.

    `checkpoint`: the model, served by its name. `request_for` a plan has the server's settings. `read` reads a change
    in plain language, for edits without a mask. `compatible`: any model name and size is taken, drawn with this model
    at the nearest size, and the answer has a warning.
    """
    router = APIRouter(prefix="/v1", tags=["OpenAI"])

    here = request_for(ScenePlan(scene=ANYTHING, regions=[Region(name="picture", box=EVERYWHERE, prompt=ANYTHING)]))

    def steps(settings: ImageSettings) -> int | None:
        if here.steps is None and STEP_FACTORS[settings.quality] == 1:
            return None  # the model's own; one that is on a server takes none
        return min(MAX_STEPS, max(1, round(STEP_FACTORS[settings.quality] * (here.steps or checkpoint.steps))))

    def link(request: Request, job: Job) -> str:
        expires = int(time.time()) + LINK_LIFETIME
        signature = signer.sign(job.id, job.caller, expires)
        url = request.url_for("get_file", picture_id=job.id)
        return str(url.include_query_params(caller=job.caller, expires=expires, signature=signature))

    async def pictures(request: Request, jobs: list[Job], settings: ImageSettings, notes: list[str]) -> ImagesAnswer:
        rows = []
        deadline = time.monotonic() + PATIENCE  # of all, which are drawn one after the other
        finished = [await _finished(service, job, request, deadline=deadline) for job in jobs]
        for job in finished:
            place: dict[str, Any] = {"url": link(request, job)} if settings.response_format == "url" else {}
            place = place or {"b64_json": _encoded(service.jobs.file(job).read_bytes(), settings)}
            rows.append(ImageRow(**place, **_prompt_and_score(service, job)))
        return ImagesAnswer(
            created=int(time.time()), data=rows, output_format=settings.output_format, quality=_quality(settings),
            size=_size(service.jobs.file(finished[0]).read_bytes()),
            warnings=_warnings(service, finished, settings, notes),
        )  # fmt: skip

    async def respond(
        kind: str, request: Request, job_inputs: list[tuple[str, Any]], settings: ImageSettings, notes: list[str]
    ) -> Any:
        if settings.stream and len(job_inputs) > 1:
            raise ValueError("n: one picture at a time is streamed")
        if settings.stream and settings.response_format == "url":
            raise ValueError("response_format: a stream carries the picture itself; ask for b64_json")
        if settings.response_format == "url" and settings.output_format != "png":
            raise ValueError("output_format: links lead to PNG files; ask for b64_json, or for png")
        previews = settings.partial_images if settings.stream else 0
        jobs: list[Job] = []
        try:
            for job_kind, job_input in job_inputs:
                jobs.append(service.submit(job_kind, job_input, caller=caller_of(request), previews=previews))
            if settings.stream:
                events = _events(service, kind, jobs[0], settings, notes)
                return EventSourceResponse(events)
            return await pictures(request, jobs, settings, notes)
        except BaseException:
            for job in jobs:
                service.jobs.cancel(job.id, caller=job.caller)
            raise

    def replacements(settings: ImageSettings) -> list[str]:
        """Warnings for settings that are replaced or ignored. Raises ValueError for another model, unless
        compatible."""
        notes = []
        if settings.model not in (None, checkpoint.name):
            if not compatible:
                raise ValueError(
                    f"model {settings.model!r} is not served here: use {checkpoint.name!r}, or leave it out; "
                    "`ditpipe serve --openai-compatible` takes any name"
                )
            notes.append(f"model {settings.model!r} is not served here: {checkpoint.name!r} drew this")
        if settings.style:
            notes.append(f"style {settings.style!r} is not used: say in the prompt what style it should have")
        if isinstance(settings, EditSettings) and settings.input_fidelity:
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
    async def generate(settings: ImageSettings, request: Request) -> Any:
        """Paint a prompt: plan, draw, criticise and mend."""
        notes, size = replacements(settings), settings.size
        if compatible:
            size = nearest_size(size, usual=checkpoint.size, largest=service.largest, multiple=checkpoint.token)
            notes += [f"size {settings.size} is not drawn here: this is {size}"] if size != settings.size else []
        width, height = settings.model_copy(update={"size": size}).pixels()
        check_size(service, width, height)
        first = secrets.randbelow(2**31) if settings.seed is None else settings.seed
        job_inputs = [
            ("paint", PaintInput(brief=settings.prompt, width=width, height=height, seed=seed, steps=steps(settings)))
            for seed in range(first, first + settings.n)
        ]
        return await respond("image_generation", request, job_inputs, settings, notes)

    @router.post("/images/edits", response_model=ImagesAnswer, responses=STREAM)
    async def edit(settings: Annotated[EditSettings, Form(media_type="multipart/form-data")], request: Request) -> Any:
        """Draw the prompt into the transparent part of the mask, or of the picture, and leave every other pixel as it
        is. Without either, the prompt is read as in the chat: one that says what is to change ("make the cat orange")
        changes that, one that describes another picture takes the place of the whole picture, and a question, an "undo"
        or what is not understood is answered with an error. The picture must carry its plan."""
        notes = replacements(settings)
        picture = await _picture([*settings.image, *settings.images])
        mask = None
        if settings.mask:
            mask = await asyncio.to_thread(open_upload, await settings.mask.read(), name="mask")
        elif picture.has_transparency_data and any(picture.convert("RGBA").getchannel("A").histogram()[:128]):
            mask = picture
        elif read:
            plan = request_in(picture, name="image").edited_plan
            result = await asyncio.to_thread(read, settings.prompt, plan)
            if result.kind == "change":
                job_inputs = changes_of(service, picture, result, settings, request_for, checkpoint)
                notes += unused_settings(settings, picture)
                notes.append(f"no mask: {settings.prompt[:60]!r} was read as a change")
                return await respond("image_edit", request, job_inputs, settings, notes)
            if result.kind != "new brief":
                raise not_a_change(result, field="prompt", otherwise=ANOTHER_PICTURE)
            settings = settings.model_copy(update={"prompt": result.brief})
        edits = edits_of(service, picture, mask, settings, request_for, checkpoint.steps)
        return await respond("image_edit", request, [("edit", job_input) for job_input in edits], settings, notes)

    @router.post("/images/variations", response_model=ImagesAnswer)
    async def vary(
        settings: Annotated[VariationSettings, Form(media_type="multipart/form-data")], request: Request
    ) -> Any:
        """Draw the plan of a picture again, from other noise. The picture must carry its plan."""
        picture = await _picture(settings.image)
        variations = variations_of(service, picture, settings, request_for, checkpoint)
        notes = [*replacements(settings), *unused_settings(settings, picture)]
        jobs = [("render", variation) for variation in variations]
        return await respond("image_generation", request, jobs, settings, notes)

    @router.get("/files/{picture_id}", response_class=FileResponse)
    def get_file(picture_id: Annotated[PictureId, Path()], caller: str, expires: int, signature: str) -> FileResponse:
        """A picture by the link that `response_format="url"` gave; it needs no key and ends after an hour."""
        if time.time() > expires or not signer.verify(signature, picture_id, caller, expires):
            raise ValueError("this link is not valid, or no longer")
        return FileResponse(picture_file(service, service.jobs.get(picture_id, caller=caller)), media_type="image/png")

    return router


async def _picture(uploads: Sequence[UploadFile]) -> Image.Image:
    """The picture that is to be changed. Raises ValueError for several, and as `open_upload`."""
    if len(uploads) != 1:
        raise ValueError(f"image: send exactly one picture, not {len(uploads)}")
    return await asyncio.to_thread(open_upload, await uploads[0].read(), name="image")


def _prompt_and_score(service: PictureService, job: Job) -> dict[str, Any]:
    """The prompt that was drawn, with the picture's warnings, and the critic's score."""
    picture = picture_of(service, job)
    text = scene_text(picture.plan, "both") if picture.plan else ""
    text += f" (warnings: {'; '.join(picture.warnings)})" if picture.warnings else ""
    return {"revised_prompt": text, "score": picture.critique.score if picture.critique else None}


async def _finished(service: PictureService, job: Job, request: Request, *, deadline: float) -> Job:
    """The job when it is done. Raises RenderError if it failed, TimeoutError if it is not done at the deadline, a time
    of `time.monotonic`."""
    async for change in service.afollow(job, patience=deadline - time.monotonic()):
        job = change if isinstance(change, Job) else job
        if await request.is_disconnected():
            raise TimeoutError("the client has gone")
    if not job.is_finished:
        raise TimeoutError(f"the picture was not done after {PATIENCE} seconds; POST /v1/pictures gives a handle")
    if job.status != "done":
        raise RenderError(f"the picture {job.state}")
    return job


async def _events(
    service: PictureService, kind: str, job: Job, settings: ImageSettings, notes: list[str]
) -> AsyncIterator[bytes]:
    """The picture's server-sent events under OpenAI's names: partial images, then the completed one or an error."""
    about = {"background": "opaque", "output_format": settings.output_format, "quality": _quality(settings)}
    sent = 0
    try:
        async for change in service.afollow(job, patience=PATIENCE):
            if isinstance(change, Job):
                job = change
            elif isinstance(change, Stepped) and change.preview and sent < job.previews:
                partial = _encoded(change.preview, settings)
                yield _event(f"{kind}.partial_image", about | {
                    "b64_json": partial, "partial_image_index": sent, "size": _size(change.preview),
                })  # fmt: skip
                sent += 1
        if job.status == "done":
            picture = service.jobs.file(job).read_bytes()
            size = _size(picture)
            width, height = map(int, size.split("x"))
            tokens = width * height // 256
            usage = {
                "input_tokens": 0, "output_tokens": tokens, "total_tokens": tokens,
                "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
            }  # fmt: skip
            final = {"b64_json": _encoded(picture, settings), "size": size, "usage": usage}
            final |= {"warnings": _warnings(service, [job], settings, notes)} | _prompt_and_score(service, job)
            yield _event(f"{kind}.completed", about | final)
        else:
            problem = f"the picture {job.state}"
            yield _event("error", {"error": {
                "message": problem, "type": "image_generation_error", "param": None, "code": None,
            }})  # fmt: skip
    finally:
        service.jobs.cancel(job.id, caller=job.caller)  # if the client has gone; a finished job stays as it is


def _event(name: str, content: dict[str, Any]) -> bytes:
    data = {"type": name, "created_at": int(time.time())} | content
    return format_sse_event(event=name, data_str=json.dumps(data))


def _encoded(content: bytes, settings: ImageSettings) -> str:
    """Base64 of a PNG in the requested format."""
    if settings.output_format != "png":
        with Image.open(BytesIO(content)) as image:
            form, note, quality = settings.output_format.upper(), metadata_text(image), settings.output_compression
            lossless = form == "WEBP" and quality == 100
            content = encode_image(image.convert("RGB"), note, form, quality=None if lossless else quality)
    return base64.b64encode(content).decode()


def _warnings(service: PictureService, jobs: Sequence[Job], settings: ImageSettings, notes: list[str]) -> list[str]:
    """`notes`, the warnings of all pictures, and settings that the answer ignores."""
    notes = [*notes, *(warning for job in jobs for warning in picture_of(service, job).warnings)]
    if settings.partial_images and not settings.stream:
        notes.append("partial_images are sent while streaming only: ask with stream=true")
    for job in jobs if settings.output_format == "jpeg" else ():
        with Image.open(service.jobs.file(job)) as image:
            notes.append(jpeg_warning(metadata_text(image)))
    if settings.output_compression != 100 and settings.output_format == "png":
        notes.append("output_compression is for jpeg and webp; a PNG loses nothing")
    return list(dict.fromkeys(notes))


def _size(content: bytes) -> str:
    with Image.open(BytesIO(content)) as image:
        return f"{image.width}x{image.height}"


def _quality(settings: ImageSettings) -> str:
    return {"auto": "medium", "standard": "medium", "hd": "high"}.get(settings.quality, settings.quality)
