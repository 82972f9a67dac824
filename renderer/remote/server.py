"""One server over HTTP: retries, time limits, bounds on what it answers, errors in one line."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from ...prompts.endpoint import TIMEOUT, origin
from ...prompts.errors import DitpipeError, ModelError, RenderError
from ...prompts.faults import Fault, fault_of, with_retries
from ...prompts.outside_json import JsonObject, parse_json

CONNECT_TIMEOUT = 20.0  # seconds
MAX_ANSWER = 256 * 2**20  # bytes: ten pictures of 4096×4096 pixels as base64, compressed
MAX_PICTURE = 64 * 2**20  # bytes of one picture's file
# Codes of providers for pictures that they refuse to draw.
_REFUSED = ("content_policy_violation", "moderation_blocked", "content_filter", "safety_violation")
_MISSING = (404, 405, 501)


class HttpError(Exception):
    """An answer that is no success. `response`: its headers; `body`: its JSON, or its text."""

    def __init__(self, status_code: int, response: httpx.Response, body: Any) -> None:
        super().__init__(f"HTTP {status_code}")
        self.status_code, self.response, self.body = status_code, response, body


class Refusal(RenderError):
    """The server refuses the request. `fault`: what it says."""

    def __init__(self, line: str, fault: Fault) -> None:
        super().__init__(line)
        self.fault = fault


class NotServed(ModelError):
    """The server has no such path."""


class Server:
    """A server by its base URL. Its key goes nowhere else; redirects are not followed."""

    def __init__(
        self, base_url: str, *, key: str | None = None, key_name: str = "DITPIPE_IMAGE_API_KEY",
        timeout: float = TIMEOUT, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        """key_name: the variable that the key stands in, for error messages. timeout: seconds a call. sleep: between
        tries of a call."""
        self.base_url, self.timeout = base_url.rstrip("/"), timeout
        self._key, self._key_name, self._sleep = key, key_name, sleep
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
            headers={"Accept-Encoding": "identity"},  # what is not compressed is as long as it is read
        )

    def get(self, path: str) -> JsonObject:
        """JSON of a path under the base URL. Raises as `post`."""
        return self._json("GET", path)

    def delete(self, path: str) -> None:
        """Deletes, whatever the server says."""
        try:
            self._client.delete(f"{self.base_url}/{path}", headers=self._headers, timeout=CONNECT_TIMEOUT)
        except httpx.HTTPError:
            pass

    def post(
        self, path: str, *, body: Any = None, form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
    ) -> JsonObject:  # fmt: skip
        """The JSON that answers a JSON body, or a form with files: name, content and media type by field.

        Raises Refusal if the server does not want the request, RenderError if it refuses to draw it, NotServed if it
        has no such path, ModelError if it cannot be reached, wants another key, is busy or answers nonsense.
        """
        return self._json("POST", path, json=body, data=form, files=files)

    def download(self, url: str) -> bytes:
        """The file at a path or URL that the server gave. The key goes to the server alone; an address that is not the
        server's must be a public one. Raises as `post`."""
        target = urljoin(f"{self.base_url}/", url)
        if urlsplit(target).scheme not in ("http", "https"):
            raise ModelError(f"{self.base_url} says that its picture is at {target[:80]!r}, which is not fetched")
        own = origin(target) == origin(self.base_url)
        if not own:
            _check_public(target, self.base_url)
        return self._sent("GET", target, limit=MAX_PICTURE, headers=self._headers if own else {})

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def _json(self, method: str, path: str, **content: Any) -> JsonObject:
        answer = self._sent(method, f"{self.base_url}/{path}", limit=MAX_ANSWER, headers=self._headers, **content)
        try:
            found = parse_json(answer, limit=MAX_ANSWER)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ModelError(f"{self.base_url} gave no JSON at /{path}: check the URL's end, /v1")
        return found

    def _sent(self, method: str, url: str, *, limit: int, **content: Any) -> bytes:
        try:
            return with_retries(lambda: self._once(method, url, limit=limit, **content), sleep=self._sleep)
        except DitpipeError:
            raise
        except Exception as error:
            fault = fault_of(error)
            if fault is None:
                raise
            line = fault.line(self.base_url, timeout=self.timeout, answer="picture", key=self._key_name)
            if fault.code in _REFUSED:
                words = f": {fault.words}" if fault.words else ""
                raise RenderError(f"{self.base_url} does not draw this by its content policy{words}") from error
            if fault.status in _MISSING and fault.code != "model_not_found":
                raise NotServed(line) from error
            if fault.status in (400, 413, 415, 422):
                raise Refusal(line, fault) from error
            raise ModelError(line) from error

    def _once(self, method: str, url: str, *, limit: int, **content: Any) -> bytes:
        """One call. Raises HttpError for an answer that is no success, httpx's errors, ModelError for one that is too
        long; TimeoutError if it takes too long in all."""
        deadline, parts, size = time.monotonic() + self.timeout, list[bytes](), 0
        with self._client.stream(method, url, **content) as response:
            limit = limit if response.is_success else 2**20
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > limit:
                    raise ModelError(f"{self.base_url} answers with more than {limit:,} bytes: not read")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the whole answer took too long", request=response.request)
        answer = b"".join(parts)
        if response.is_success:
            return answer
        try:
            body = parse_json(answer)
        except ValueError:
            body = answer[:2000].decode("utf-8", "replace")
        if response.is_redirect:
            body = f"it sends on to {response.headers.get('location', '')[:200]}: give that address"
        raise HttpError(response.status_code, response, body)


def _check_public(url: str, server: str) -> None:
    """Raises ModelError for an address of this machine or of a private network, which a server has no business to
    name."""
    host, port = urlsplit(url).hostname or "", urlsplit(url).port
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise ModelError(f"{server} says that its picture is at {host}, which cannot be found") from error
    if not all(ipaddress.ip_address(address.partition("%")[0]).is_global for address in found):
        raise ModelError(
            f"{server} says that its picture is at {host}, an address that is not public: it is not fetched"
        )
