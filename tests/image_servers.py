"""A server of OpenAI's Images API on loopback that answers as it is told, and keeps what it was sent."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from http_servers import listening
from PIL import Image


@dataclass
class Call:
    """A request: its path under /v1, JSON or form fields, uploaded files and key."""

    path: str
    fields: dict[str, Any]
    files: dict[str, bytes]
    key: str | None

    @property
    def size(self) -> tuple[int, int]:
        width, height = self.fields["size"].split("x")
        return int(width), int(height)


@dataclass
class ImageServer:
    url: str
    calls: list[Call] = field(default_factory=list)


Answer = Callable[[Call], Any]  # JSON; bytes of a picture; a Response; None: 404


def png(color: str = "red", size: tuple[int, int] = (96, 96)) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


def pictures(*content: bytes) -> dict[str, Any]:
    return {"created": 1, "data": [{"b64_json": base64.b64encode(one).decode()} for one in content]}


def draws(color: str = "red") -> Answer:
    """Draws as many pictures as are asked for, in the size that is asked for; has edits, and no list of models."""

    def answer(call: Call) -> Any:
        if not call.path.startswith("images/"):
            return None
        return pictures(*[png(color, call.size)] * int(call.fields.get("n", 1)))

    return answer


@contextmanager
def image_server(answer: Answer) -> Iterator[ImageServer]:
    app, calls = FastAPI(), list[Call]()

    @app.api_route("/v1/{path:path}", methods=["GET", "POST"])
    async def serve(path: str, request: Request) -> Response:
        fields, files = dict[str, Any](), dict[str, bytes]()
        kind = request.headers.get("content-type", "")
        if kind.startswith("multipart/"):
            for name, value in (await request.form()).items():
                if isinstance(value, str):
                    fields[name] = value
                else:
                    files[name] = await value.read()
        elif kind:
            fields = await request.json()
        calls.append(Call(path, fields, files, request.headers.get("authorization")))
        found = answer(calls[-1])
        if isinstance(found, Response):
            return found
        if isinstance(found, bytes):
            return Response(found, media_type="image/png")
        return JSONResponse(found if found is not None else {"detail": "Not Found"}, 200 if found is not None else 404)

    with listening(app) as address:
        yield ImageServer(f"{address}/v1", calls)


def refuses(status: int, message: str, *, headers: dict[str, str] | None = None, **about: Any) -> Response:
    return JSONResponse({"error": {"message": message} | about}, status, headers)
