"""RemoteRenderer: draws on a server of OpenAI's Images API, or on another ditpipe. Loads no torch."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Self, TypeVar

from PIL import Image
from pydantic import TypeAdapter, ValidationError

from ...prompts.endpoint import TIMEOUT
from ...prompts.errors import ModelError
from ...prompts.plan import ScenePlan, Side
from ...prompts.revision import Revision
from ..checkpoints.remote_models import PROSE, RemoteModel, remote_model
from ..request import MAX_BATCH, OnStep, RenderRequest, RenderResult, Step, candidate_seed
from ..texts.prompt_files import PromptFiles, filled_in
from .changed_area import changed_area, keep_rest
from .images_api import ImagesApi
from .pictures_api import Drawn, PicturesApi, served_models
from .server import NotServed, Server
from .unused_fields import PLAN_SERVER, composed, unused_fields

Returned = TypeVar("Returned")
BEAT = 1.0  # seconds between two looks at whether the job is cancelled, while a server draws
REMEMBERED = 256  # pictures whose ids on a ditpipe server are known


class RemoteRenderer:
    """A model on a server. Its pictures have no latents: an edit is drawn into their pixels.

    A ditpipe server gets the whole plan, any other one a prompt that is composed of it. What of a request a server
    cannot be told is a warning of the picture.
    """

    def __init__(
        self, model: str, *, key: str | None = None, key_name: str = "DITPIPE_IMAGE_API_KEY",
        base_url: str | None = None, timeout: float = TIMEOUT, device: str | None = None,
        files: PromptFiles | None = None, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        """model: 'openai:gpt-image-2' or 'http://host/v1#name', see `remote_models`. key: for its server; key_name: the
        variable that it stands in, for error messages. base_url: in place of OpenAI's. timeout: seconds a call. device:
        one that was asked for, and is not used. files: wildcards that prompts name; None: those of the user's folder.
        sleep: between tries and looks. Raises ModelError for a name that is none."""
        found = remote_model(model)
        if found is None:
            raise ModelError(f"{model!r} is not on a server: give openai:NAME or http://HOST/v1#NAME")
        self.checkpoint: RemoteModel = found
        self.model, self._given = found.name, model
        self._worker = ""
        self._files, self._unused_device = files or PromptFiles.usual(), device
        self._server = Server(base_url or found.base_url, key=key, key_name=key_name, timeout=timeout, sleep=sleep)
        self._images, self._pictures = ImagesApi(self._server, found), PicturesApi(self._server, sleep=sleep)
        # Whether it is a ditpipe, once that is known: a list, so that workers share it.
        self._lock, self._is_ditpipe = threading.Lock(), [False] if found.is_openai else list[bool]()
        self._ids: OrderedDict[str, str] = OrderedDict()  # on a ditpipe server, by request

    @property
    def device(self) -> str:
        """The server's name, 'host:8000-v1', or a worker's (`as_worker`), which may be a file's: a worker draws one
        picture there at a time."""
        return self._worker or self._server.base_url.partition("://")[2].replace("/", "-")

    def as_worker(self, name: str) -> Self:
        """This renderer for a worker of that name, which asks the server while others wait for its answers."""
        other = copy(self)
        other._worker = name
        return other

    @property
    def token(self) -> int:
        return self.checkpoint.token

    def warm_up(self) -> None:
        """Nothing is loaded here."""

    def examine(self) -> str:
        """What the server says of itself, in words. Raises ModelError if it cannot be reached, wants another key, or
        has not the model."""
        is_ditpipe, names = served_models(self._server)
        served = self.checkpoint.served
        if served and names and served not in names:
            raise ModelError(f"{self._server.base_url} does not list {served!r}: it has {', '.join(names[:12])}")
        return "a ditpipe, which obeys regions" if is_ditpipe else "region placement is written into the prompt"

    def render(self, request: RenderRequest, on_step: OnStep | None = None) -> RenderResult:
        """Draws the request. Raises RenderError if the server does not draw it, ModelError if it cannot be reached or
        wants another key, ValueError if the request names another model."""
        result = self._drawn(self._own(request), [request.seed], on_step)[0]
        for revision in request.edits:
            result = self.edit(result, revision, on_step)
        return result

    def candidates(self, request: RenderRequest, count: int, on_step: OnStep | None = None) -> list[RenderResult]:
        """`count` pictures of one plan. Raises as `render`, and ValueError for an edited request or a count that is not
        1 to 16."""
        if not 1 <= count <= MAX_BATCH:
            raise ValueError(f"1 to {MAX_BATCH} candidates are drawn in one batch, not {count}")
        if request.edits:
            raise ValueError("candidates are drawn from a plan, not from an edited picture: leave `edits` empty")
        seeds = [candidate_seed(request.seed, number) for number in range(count)]
        return self._drawn(self._own(request), seeds, on_step)

    def together(self, requests: Sequence[RenderRequest], on_step: OnStep | None = None) -> list[RenderResult]:
        """Pictures of different plans, one by one: the server batches as it likes. Raises as `render`."""
        return [self.render(request, on_step) for request in requests]

    def edit(
        self, picture: RenderResult | RenderRequest, revision: Revision, on_step: OnStep | None = None
    ) -> RenderResult:
        """Draws the regions that a revision changes, and keeps every pixel outside of them and of a margin. Raises as
        `render`; ValueError if the revision changes nothing visible."""
        base = self.render(picture, on_step) if isinstance(picture, RenderRequest) else picture
        started, own = time.perf_counter(), self._own(base.request)
        request = self._filled(own.model_copy(update={"edits": [*own.edits, revision]}))
        if self._draws_plans():
            return self._edited_there(base, request, on_step)
        area = changed_area(own.edited_plan, request.edited_plan, base.image.size)
        prompt, notes = self._prompt(request, request.edited_plan, is_edit=True)
        try:
            edit = partial(self._images.edit, base.image, area, prompt, size=base.image.size)
            image, more = self._waiting(edit, on_step)
        except NotServed:
            images, more = self._waiting(partial(self._generated, prompt, 1, base.image.size), on_step)
            image = images[0].resize(base.image.size, Image.Resampling.LANCZOS)
            more = [*more, "this server has no edits: the whole picture was drawn anew"]
        else:
            if image.size != base.image.size:
                more = [*more, "the server drew the edit at {}×{} pixels: it was scaled".format(*image.size)]
                image = image.resize(base.image.size, Image.Resampling.LANCZOS)
            image = keep_rest(base.image, image, area)
        seconds = base.seconds + time.perf_counter() - started
        warnings = tuple(dict.fromkeys([*base.warnings, *notes, *more]))
        return RenderResult(request, image, None, seconds, warnings)

    def _own(self, request: RenderRequest) -> RenderRequest:
        """The request with this model's name, and what its prompts name filled in."""
        if request.model not in (None, self.model, self._given):
            raise ValueError(f"the request is for model {request.model!r}, and this renderer draws with {self.model!r}")
        return self._filled(request.model_copy(update={"model": self.model, "together": []}))

    def _filled(self, request: RenderRequest) -> RenderRequest:
        return filled_in(request, self._files)

    def _drawn(self, request: RenderRequest, seeds: Sequence[int], on_step: OnStep | None) -> list[RenderResult]:
        """Pictures of the request's plan, one a seed, without its edits."""
        started, request = time.perf_counter(), request.model_copy(update={"edits": []})
        if self._draws_plans():
            drawn = self._pictures.draw(request, seeds, on_step)
            notes = self._unused(request, sent=PLAN_SERVER)
            results = [self._remembered(request, picture, notes) for picture in drawn]
        else:
            results = self._composed(request, seeds, on_step)
        seconds = (time.perf_counter() - started) / len(results)
        return [replace(result, seconds=seconds) for result in results]

    def _composed(self, request: RenderRequest, seeds: Sequence[int], on_step: OnStep | None) -> list[RenderResult]:
        side = self.checkpoint.size
        plan = request.plan.with_size(side, side)
        prompt, notes = self._prompt(request, plan)
        images, more = self._waiting(partial(self._generated, prompt, len(seeds), plan.size), on_step)
        notes += more
        results = []
        for seed, image in zip(seeds, images, strict=True):
            sized, image, size_notes = _sized(plan, image)
            own = request.model_copy(update={"plan": sized, "seed": seed})
            warnings = tuple(dict.fromkeys([*notes, *size_notes]))
            results.append(RenderResult(own, image, None, 0.0, warnings))
        return results

    def _prompt(self, request: RenderRequest, plan: ScenePlan, *, is_edit: bool = False) -> tuple[str, list[str]]:
        """The prompt of a plan, and notes on what of the plan and its request is not sent."""
        prompt, notes = composed(plan, self.checkpoint.caption, is_edit=is_edit)
        notes = [*plan.notes, *self._unused(request), *notes]
        if self.checkpoint.caption == PROSE and plan.regions:
            notes.append("regions are told to this model in words, and it need not keep to them")
        return prompt, notes

    def _generated(self, prompt: str, count: int, size: tuple[int, int]) -> tuple[list[Image.Image], list[str]]:
        return self._images.generate(prompt, count=count, size=size)

    def _unused(self, request: RenderRequest, *, sent: Sequence[str] = ()) -> list[str]:
        notes = unused_fields(request, sent=sent)
        device = self._unused_device
        return [*notes, f"device {device!r}: not used, {self.model} is on a server"] if device else notes

    def _draws_plans(self) -> bool:
        """Whether the server is a ditpipe, which takes plans. Raises ModelError if it serves another model."""
        with self._lock:
            if not self._is_ditpipe:
                is_ditpipe, names = served_models(self._server)
                served = self.checkpoint.served
                if is_ditpipe and served and served not in names:
                    raise ModelError(f"{self._server.base_url} serves {', '.join(names)}, not {served!r}")
                self._is_ditpipe.append(is_ditpipe)
            return self._is_ditpipe[0]

    def _edited_there(self, base: RenderResult, request: RenderRequest, on_step: OnStep | None) -> RenderResult:
        """The request's last edit drawn by a ditpipe server. Which picture is meant it knows by its id; one that it
        does not know it draws again first."""
        started, notes, revision = time.perf_counter(), list[str](), request.edits[-1]
        known = self._ids.get(_key(base.request))
        try:
            drawn = self._pictures.edit(known, revision, on_step) if known else None
        except NotServed:
            drawn = None
        if drawn is None:
            again = self._again(base.request, on_step)
            if again.image.tobytes() != base.image.tobytes():
                notes.append("the server draws another picture of this request now: that one was edited")
            drawn = self._pictures.edit(again.id, revision, on_step)
        result = self._remembered(request, drawn, [*base.warnings, *self._unused(request, sent=PLAN_SERVER), *notes])
        return replace(result, seconds=base.seconds + time.perf_counter() - started)

    def _again(self, request: RenderRequest, on_step: OnStep | None) -> Drawn:
        """The picture of a request, its edits included, drawn on the server."""
        drawn = self._pictures.draw(request, [request.seed], on_step)[0]
        for revision in request.edits:
            drawn = self._pictures.edit(drawn.id, revision, on_step)
        return drawn

    def _remembered(self, request: RenderRequest, drawn: Drawn, notes: Sequence[str]) -> RenderResult:
        """The result of a picture, with the plan that the server filled in: its size, with resolved wildcards."""
        there = drawn.request
        given = {"plan": there.plan, "edits": there.edits, "seed": there.seed}
        own = RenderRequest.model_validate({**dict(request), **given})
        with self._lock:
            self._ids[_key(own)] = drawn.id
            while len(self._ids) > REMEMBERED:
                self._ids.popitem(last=False)
        return RenderResult(own, drawn.image, None, 0.0, tuple(dict.fromkeys([*notes, *drawn.warnings])))

    def _waiting(self, call: Callable[[], Returned], on_step: OnStep | None) -> Returned:
        """The result of a call that takes minutes. `on_step` is called each second while it runs: what it raises ends
        the wait, and the answer is not read."""
        if on_step is None:
            return call()
        future: Future[Returned] = Future()

        def work() -> None:
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, name="asks-image-server", daemon=True).start()
        while True:
            try:
                result = future.result(timeout=BEAT)
            except TimeoutError:
                if future.done():
                    raise
                on_step(Step(0, 1, None))
            else:
                on_step(Step(1, 1, None))
                return result


def _key(request: RenderRequest) -> str:
    return request.model_dump_json()


def _sized(plan: ScenePlan, image: Image.Image) -> tuple[ScenePlan, Image.Image, list[str]]:
    """The plan with the size of the picture that came, or the picture scaled where no plan may have that size, and a
    note."""
    if image.size == plan.size:
        return plan, image, []
    drawn, wanted = ("{}×{}".format(*size) for size in (image.size, plan.size))
    note = f"the server drew {drawn} pixels, not {wanted}"
    try:
        for side in image.size:
            _SIDE.validate_python(side)
    except ValidationError:
        return plan, image.resize(plan.size, Image.Resampling.LANCZOS), [f"{note}: scaled"]
    return plan.model_copy(update={"width": image.width, "height": image.height}), image, [note]


_SIDE: TypeAdapter[int] = TypeAdapter(Side)
