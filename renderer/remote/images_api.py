"""OpenAI's Images API as a client: pictures of a prompt, and edits of a picture under a mask."""

from __future__ import annotations

import base64
import binascii
from io import BytesIO
from typing import Any

from PIL import Image

from ...prompts.errors import ModelError
from ...prompts.outside_json import JsonObject
from ..checkpoints.remote_models import RemoteModel
from ..pictures.bounded import open_bounded
from .server import MAX_PICTURE, Refusal, Server

MOST = 10  # pictures of one call
MAX_PIXELS = 4096 * 4096
STANDARD = ((1024, 1024), (1536, 1024), (1024, 1536))  # sizes that every model of OpenAI's draws
WIDEST = 3.0  # the longer side in shorter ones, of a picture of OpenAI's
_OPTIONAL = ("response_format", "size", "n", "background")


class ImagesApi:
    """The model of a server that speaks OpenAI's Images API. It keeps no state."""

    def __init__(self, server: Server, model: RemoteModel) -> None:
        self._server, self._model = server, model

    def generate(self, prompt: str, *, count: int, size: tuple[int, int]) -> tuple[list[Image.Image], list[str]]:
        """`count` RGB pictures of a prompt, and notes: which of the settings the server does not take. size: width and
        height in pixels that are asked for. Raises as `Server.post`."""
        pictures, notes = list[Image.Image](), list[str]()
        while len(pictures) < count:  # some servers draw one at a time, whatever is asked for
            wanted = min(MOST, count - len(pictures))
            answer = self._post("images/generations", {"prompt": prompt}, wanted, size, notes)
            pictures += self._pictures(answer)[:wanted]
        return pictures, notes

    def edit(
        self, picture: Image.Image, hole: Image.Image, prompt: str, *, size: tuple[int, int]
    ) -> tuple[Image.Image, list[str]]:
        """The picture drawn again where the hole is white, as the server gives it, and notes. prompt: of the whole
        picture after the edit. Raises as `Server.post`; NotServed by a server without edits."""
        mask = picture.convert("RGBA")
        mask.putalpha(hole.convert("L").point(lambda value: 0 if value >= 128 else 255))
        files = {"image": ("image.png", _png(picture), "image/png"), "mask": ("mask.png", _png(mask), "image/png")}
        notes: list[str] = []
        answer = self._post("images/edits", {"prompt": prompt}, 1, size, notes, files=files)
        return self._pictures(answer)[0], notes

    def _post(
        self, path: str, body: JsonObject, count: int, size: tuple[int, int], notes: list[str], *, files: Any = None
    ) -> JsonObject:
        """The server's response; settings that it refuses are left out, with a note."""
        width, height = _within(size) if self._model.is_openai else size
        body = body | ({"model": self._model.served} if self._model.served else {}) | {"size": f"{width}x{height}"}
        body |= {"n": count} if count > 1 else {}
        # Models of OpenAI's have no response_format: they answer in base64 always.
        body |= {"background": "opaque"} if self._model.is_openai else {"response_format": "b64_json"}
        while True:
            try:
                if files:
                    return self._server.post(path, form={name: str(value) for name, value in body.items()}, files=files)
                return self._server.post(path, body=body)
            except Refusal as refusal:
                fault = refusal.fault
                named = {fault.parameter, *(word.strip("'\"`:;,.()") for word in fault.words.split())}
                name = next((name for name in _OPTIONAL if name in body and name in named), None)
                if name is None:
                    raise
                nearest = "x".join(map(str, _nearest_standard(size)))
                if name == "size" and self._model.is_openai and body["size"] != nearest:
                    body["size"] = nearest
                else:
                    del body[name]
                if name in ("size", "n"):
                    notes.append(f"the server does not take this {name} ({fault.words})")

    def _pictures(self, answer: JsonObject) -> list[Image.Image]:
        """The pictures of an answer, at least one. Raises ModelError."""
        rows = answer.get("data")
        rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        if not rows:
            raise ModelError(f"{self._server.base_url} answers without a picture")
        return [self._picture(row) for row in rows[:MOST]]

    def _picture(self, row: JsonObject) -> Image.Image:
        text, url = row.get("b64_json"), row.get("url")
        where = f"the answer of {self._server.base_url}"
        try:
            if isinstance(text, str) and text:
                if len(text) > MAX_PICTURE * 4 // 3 + 4:
                    raise ValueError(f"{where}: a picture of more than {MAX_PICTURE:,} bytes")
                content = base64.b64decode(text.partition("base64,")[2] or text, validate=True)
            elif isinstance(url, str) and url:
                content = self._server.download(url)
            else:
                raise ValueError(f"{where} has neither b64_json nor url")
            return opaque(open_bounded(content, name=where, most=MAX_PIXELS))
        except (binascii.Error, ValueError) as error:
            raise ModelError(str(error)) from error


def opaque(picture: Image.Image) -> Image.Image:
    """The picture as RGB, on white where it is transparent."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    below = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(below, picture.convert("RGBA")).convert("RGB")


def _within(size: tuple[int, int]) -> tuple[int, int]:
    """The size, or where it is wider or higher than OpenAI's models draw, the nearest that they do."""
    width, height = size
    return (width, height) if 1 / WIDEST <= width / height <= WIDEST else _nearest_standard(size)


def _nearest_standard(size: tuple[int, int]) -> tuple[int, int]:
    def stretch(standard: tuple[int, int]) -> float:
        ratio = standard[0] * size[1] / (standard[1] * size[0])
        return max(ratio, 1 / ratio)

    return min(STANDARD, key=stretch)


def _png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
