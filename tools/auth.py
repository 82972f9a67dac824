"""Access to the servers: ASGI middleware that checks keys, hosts, origins, and the size and depth of bodies.

Without keys only this machine is served, and no web page of another origin may send requests through its browser.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..prompts.errors import RunError
from ..prompts.outside_json import parse_json
from .jobs.engine import LOCAL

MAX_BODY = 24 * 2**20  # bytes
MIN_KEY_LENGTH = 16  # characters
SECRET_LENGTH = 32  # bytes


def refusal(status: int, message: str, *, code: str | None = None, param: str | None = None) -> JSONResponse:
    """An error in the format of OpenAI's API."""
    kind = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    name = kind.get(status, "invalid_request_error" if status < 500 else "server_error")
    return JSONResponse({"error": {"message": message, "type": name, "param": param, "code": code}}, status)


class Keys:
    """Names and their API keys. Without any, everybody is one caller and needs no key."""

    def __init__(self, keys: Mapping[str, SecretStr] | None = None) -> None:
        """Raises ValueError for a key that is too short or another name's too, or a name that is unfit for a folder."""
        self._digests = {name: _digest(key.get_secret_value()) for name, key in (keys or {}).items()}
        for name, key in (keys or {}).items():
            if not re.fullmatch(r"[\w.-]+", name):
                raise ValueError(f"the name {name!r} may have only letters, digits, '_', '.' and '-'")
            if len(key.get_secret_value()) < MIN_KEY_LENGTH:
                raise ValueError(
                    f"the key of {name!r} is too short: at least {MIN_KEY_LENGTH} characters, {KEY_COMMAND}"
                )
        owners: dict[bytes, str] = {}
        for name, digest in self._digests.items():
            if (other := owners.setdefault(digest, name)) != name:  # whose pictures would they be?
                raise ValueError(f"{other!r} and {name!r} have the same key: give each its own, {KEY_COMMAND}")

    def __bool__(self) -> bool:
        return bool(self._digests)

    def caller(self, presented: str) -> str | None:
        """'key:NAME' of the key's owner, compared in constant time; None for an unknown key."""
        digest, caller = _digest(presented), None
        for name, own in self._digests.items():
            if hmac.compare_digest(digest, own):
                caller = f"key:{name}"
        return caller


KEY_COMMAND = "for example from: python -c 'import secrets; print(secrets.token_urlsafe(32))'"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def read_keys(path: Path) -> Keys:
    """Keys from a file with one 'name key' a line. Raises RunError if unreadable, ValueError for anything else."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot read the keys: {error}") from error
    if not lines or any(len(line) != 2 for line in lines) or len({name for name, _ in lines}) < len(lines):
        raise ValueError(f"{path}: give one 'name key' a line, every name once; a key {KEY_COMMAND}")
    return Keys({name: SecretStr(key) for name, key in lines})


def is_loopback(host: str) -> bool:
    """Whether an address can only be reached from this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(host: str, keys: Keys) -> None:
    """Raises ValueError if other machines can reach the address and there are no keys."""
    if not is_loopback(host) and not keys:
        raise ValueError(
            f"{host} can be reached from other machines: give --keys FILE with one 'name key' a line, "
            f"a key {KEY_COMMAND}"
        )


class Signer:
    """Signs links to one picture that need no key until they expire."""

    def __init__(self, file: Path) -> None:
        """The secret is kept in `file`, so that links outlive a restart. Raises RunError."""
        try:
            if not file.exists():
                draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")  # renamed when complete
                draft.touch(mode=0o600)
                draft.write_bytes(secrets.token_bytes(SECRET_LENGTH))
                draft.replace(file)
            self._secret = file.read_bytes()
        except OSError as error:
            raise RunError(f"cannot keep the secret of links in {file}: {error.strerror}") from error
        if len(self._secret) != SECRET_LENGTH:
            raise RunError(f"{file} holds no secret of {SECRET_LENGTH} bytes: remove it, and a new one is made")

    def sign(self, picture_id: str, caller: str, expires: int) -> str:
        return hmac.new(self._secret, f"{picture_id}\n{caller}\n{expires}".encode(), "sha256").hexdigest()

    def verify(self, signature: str, picture_id: str, caller: str, expires: int) -> bool:
        return hmac.compare_digest(signature.encode(), self.sign(picture_id, caller, expires).encode())


class AuthMiddleware:
    """Passes a request on with `scope["state"]["caller"]`, or refuses it. `open_paths` need no key.

    With `browser` a key is also accepted as a password (HTTP Basic). Browsers send it by themselves, so requests from
    pages of another origin are refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Keys,
        open_paths: Iterable[str] = (),
        browser: bool = False,
    ) -> None:
        self.app, self.keys, self.open_paths, self.browser = app, keys, tuple(open_paths), browser

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # there are no websockets here
            return
        headers = Headers(scope=scope)
        caller = self._caller(scope["path"], headers)
        problem = self._problem(headers) if caller is not None else self._no_key(headers)
        if problem:
            await problem(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        if _is_json(headers):
            if (body := await _read(receive)) is None:
                return
            try:
                parse_json(body, limit=MAX_BODY)  # parsers behind this may recurse
            except ValueError as error:
                await refusal(400, f"body: {error}")(scope, receive, send)
                return
            receive = _replay(body, receive)
        await self.app(scope, receive, send)

    def _caller(self, path: str, headers: Mapping[str, str]) -> str | None:
        if not self.keys:
            return LOCAL
        scheme, _, presented = headers.get("authorization", "").partition(" ")
        if self.browser and scheme.lower() == "basic":
            name, key = _basic(presented)
            caller = self.keys.caller(key)
            return caller if caller == f"key:{name}" else None
        caller = self.keys.caller(presented.strip()) if scheme.lower() == "bearer" else None
        return caller or ("" if path.startswith(self.open_paths) else None)

    def _problem(self, headers: Mapping[str, str]) -> JSONResponse | None:
        if not self.keys and not is_loopback(_hostname(headers.get("host", ""))):
            return refusal(403, "without keys only this machine is served: ask for 127.0.0.1 or localhost")
        origin = headers.get("origin")
        if origin and urlsplit(origin).netloc != headers.get("host") and (self.browser or not self.keys):
            return refusal(403, "web pages of another origin are not served here")
        if "transfer-encoding" in headers:
            return refusal(411, "send the body with a Content-Length")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            return refusal(413, f"the body is too long: at most {MAX_BODY} bytes are read")
        return None

    def _no_key(self, headers: Mapping[str, str]) -> JSONResponse:
        problem = "no valid API key" if headers.get("authorization") else "no API key"
        response = refusal(401, f"{problem}: send 'Authorization: Bearer KEY'", code="invalid_api_key")
        response.headers["WWW-Authenticate"] = 'Basic realm="ditpipe", charset="UTF-8"' if self.browser else "Bearer"
        return response


def _basic(presented: str) -> tuple[str, str]:
    """Name and password of HTTP Basic credentials; both empty if they are malformed."""
    try:
        name, _, key = base64.b64decode(presented, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, key


def _is_json(headers: Mapping[str, str]) -> bool:
    """Whether the request has a body that may be JSON."""
    return headers.get("content-length", "0") != "0" and "json" in headers.get("content-type", "json").lower()


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None if the client disconnects before its end."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that returns the body already read, then what follows it."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return unread.pop() if unread else await receive()

    return again


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def caller_of(request: Any) -> str:
    """The caller of a request, as the middleware found it."""
    return str(request.scope["state"]["caller"])
