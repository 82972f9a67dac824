"""What providers' errors mean: whether to retry the call, and the one line that a person is shown."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from .errors import DitpipeError, visible

Returned = TypeVar("Returned")
TRIES = 3
MAX_WAIT = 60.0  # seconds; a longer Retry-After is raised as an error
MAX_WORDS = 300  # characters of a server's own message
PASSING = {408, 409, 425, 429, 500, 502, 503, 520, 522, 529}
GATEWAY = (504, 524)  # what a gateway answers when it no longer waits for a server, which may still work on the call
NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_credits")


class BadAnswer(Exception):
    """A server answered with success, but not with a chat completion. `body`: the answer's JSON, or its text."""

    def __init__(self, body: Any) -> None:
        super().__init__("no chat completion")
        code = _entry(body, "code") or _entry(body, "status")
        self.body, self.status_code = body, int(code) if code.isdecimal() else 200


@dataclass(frozen=True)
class Fault:
    """An error of a provider. `status`: of HTTP, 0 without an answer; `words`: the server's message, or the cause;
    `retry_after`: seconds that the server asks to wait; `timed_out`: nothing came in time."""

    status: int
    words: str
    code: str = ""
    parameter: str = ""
    retry_after: float | None = None
    timed_out: bool = False

    @property
    def no_credit(self) -> bool:
        return self.status == 402 or self.code in NO_CREDIT

    @property
    def may_pass(self) -> bool:
        """Whether to try again. Not after a time-out: the server may still work on the first call."""
        if self.no_credit or (self.retry_after or 0) > MAX_WAIT:
            return False
        return self.status in PASSING or (self.status == 0 and not self.timed_out)

    def line(
        self, server: str, *, timeout: float | None = None, answer: str = "chat completion",
        key: str = "DITPIPE_API_KEY or the provider's variable",
    ) -> str:  # fmt: skip
        """What is wrong and what to do about it. server: who was asked. timeout: in seconds. answer: what it should
        have sent. key: the variables that a key may stand in."""
        words = f": {self.words}" if self.words else ""
        if self.timed_out:
            within = f" within {timeout:g} s" if timeout else " in time"
            return f"{server} did not answer{within}; a slow or reasoning model may need a longer one (--timeout)"
        if self.status == 0:
            return f"cannot reach {server}{words}"
        if self.status in GATEWAY:
            return f"a gateway before {server} did not wait for its answer ({self.status}){words}"
        if self.no_credit:
            return f"the account behind this key has no credit left at {server}{words}"
        if self.status == 200:
            return f"{server} gave no {answer}{words}"
        if self.status in (401, 403):
            return f"{server} wants another key ({self.status}){words}; set {key}"
        if self.status == 404:
            return f"{server} does not have this ({self.status}){words}; check the model's name, and the URL's end: /v1"
        if self.status == 429 and self.retry_after:
            return f"{server} is busy or limits calls, try again in {self.retry_after:g} s (429){words}"
        if self.status == 429 or self.status >= 500:
            return f"{server} failed or is busy, after {TRIES} tries ({self.status}){words}"
        return f"{server} refuses the request ({self.status}){words}"


def fault_of(error: BaseException) -> Fault | None:
    """What an error of a provider's package, or of the transport below it, means; None for any other error."""
    import httpx  # not before there is an error: it takes some time
    import httpx2
    import openai

    for cause in _causes(error):
        response = getattr(cause, "response", None)
        status = getattr(cause, "status_code", None) or getattr(cause, "code", None)
        status = status or getattr(response, "status_code", None)  # httpx's own errors
        if isinstance(status, int):
            body = getattr(cause, "body", None) or _body(response) or str(cause)
            return Fault(
                status, _words(body), code=_entry(body, "code") or _entry(body, "type"),
                parameter=_entry(body, "param"), retry_after=_retry_after(getattr(response, "headers", None)),
            )  # fmt: skip
    causes = list(_causes(error))
    if any(isinstance(cause, httpx.TimeoutException | httpx2.TimeoutException | TimeoutError) for cause in causes):
        connecting = any(isinstance(cause, httpx.ConnectTimeout | httpx2.ConnectTimeout) for cause in causes)
        return Fault(0, "no connection in time" if connecting else "", timed_out=not connecting)
    if isinstance(error, openai.APITimeoutError):
        return Fault(0, "", timed_out=True)
    transport = (openai.APIConnectionError, httpx.TransportError, httpx2.TransportError, ConnectionError)
    if any(isinstance(cause, transport) for cause in causes):
        return Fault(0, _cause(causes))
    return None


def with_retries(call: Callable[[], Returned], *, sleep: Callable[[float], None] = time.sleep) -> Returned:
    """The call's result; transient faults are retried, three calls in all, after the delay that the server asks for
    or a growing one. Raises the last error."""
    backoff = wait_exponential_jitter(multiplier=0.5, max=20)

    def may_pass(error: BaseException) -> bool:
        fault = None if isinstance(error, DitpipeError) else fault_of(error)
        return fault is not None and fault.may_pass

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        fault = fault_of(error) if error else None
        return fault.retry_after if fault and fault.retry_after is not None else backoff(state)

    retrying = Retrying(
        retry=retry_if_exception(may_pass), stop=stop_after_attempt(TRIES), reraise=True, wait=wait, sleep=sleep
    )
    return retrying(call)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _cause(causes: list[BaseException]) -> str:
    """The system's words for what failed, which the transport wraps; else the innermost message."""
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.strerror:
            return _short(cause.strerror)
    return next((_short(str(cause)) for cause in reversed(causes) if str(cause)), type(causes[-1]).__name__)


def _retry_after(headers: Any) -> float | None:
    """Seconds; a date counts from now. None if the header is missing or makes no sense."""
    value = headers.get("retry-after") if isinstance(headers, Mapping) or hasattr(headers, "get") else None
    try:
        seconds = float(value or "")
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value or "").timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None


def _body(response: Any) -> Any:
    try:
        return response.json()
    except Exception:  # not JSON, already closed, or no response at all
        return getattr(response, "text", "") if response is not None else ""


def _entry(body: Any, name: str) -> str:
    """An entry of an error's JSON, at its top or inside its `error`; empty if it has none."""
    body = body[0] if isinstance(body, list) and body else body
    if not isinstance(body, Mapping):
        return ""
    value = body.get(name)
    return str(value) if isinstance(value, str | int) else _entry(body.get("error"), name)


def _words(body: Any) -> str:
    """The message of an error's body, on one line."""
    if isinstance(body, str):
        page = body.lstrip()[:15].lower().startswith(("<!doctype", "<html"))
        return "it answered with a web page, so the URL may be wrong: check its end, /v1" if page else _short(body)
    if isinstance(body, list):
        return "; ".join(filter(None, map(_words, body[:3])))
    if isinstance(body, Mapping):
        for name in ("message", "msg", "detail", "error"):
            if words := _words(body.get(name)):
                place = ".".join(map(str, body["loc"])) + ": " if isinstance(body.get("loc"), list) else ""
                return f"{place}{words}"
        if "choices" in body:
            return "it holds no answer (choices is empty)"
        return _short(str(dict(body)))
    return ""


def _short(text: str) -> str:
    text = visible(" ".join(text.split())).rstrip(".")
    return text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]} …"
