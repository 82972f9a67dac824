"""All errors that ditpipe raises deliberately.

DitpipeError
├── PlanningError      the planner's reply stayed invalid; `reply` is the raw text
├── CritiqueError      the same for a critic
├── ModelError         a model is unknown, missing or cannot be loaded
├── RenderError        the renderer could not draw; OutOfMemory: for want of memory
├── RunError           a run folder or picture cannot be read, written or resumed
├── QueueFull          the queue accepts no more jobs now; retry after `retry_after` seconds
└── UnknownPicture     no picture of that id, or it belongs to another caller

JobCancelled           a job ends early because somebody cancelled it; no error
"""

import re

from pydantic import ValidationError


class DitpipeError(Exception):
    """An error that the user or operator can act on; str() is one line.

    `resume`: the command that resumes the interrupted run; empty if there is none.
    """

    resume: str = ""


class PlanningError(DitpipeError):
    """The planner's reply stayed invalid after every repair. `reply` is the last raw reply."""

    def __init__(self, message: str, *, reply: str = "") -> None:
        super().__init__(message)
        self.reply = reply


class CritiqueError(DitpipeError):
    """The critic's reply stayed invalid after every repair. `reply` is the last raw reply."""

    def __init__(self, message: str, *, reply: str = "") -> None:
        super().__init__(message)
        self.reply = reply


class ModelError(DitpipeError):
    """A model is unknown, missing or cannot be loaded."""


class RenderError(DitpipeError):
    """The renderer could not draw the request."""


class OutOfMemory(RenderError):
    """Memory ran out, also with what was tried to save some."""


class RunError(DitpipeError):
    """A run folder or picture cannot be read, written or resumed."""


class QueueFull(DitpipeError):
    """The queue accepts no more jobs now; retry after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnknownPicture(DitpipeError):
    """There is no picture of that id, or it belongs to another caller; callers cannot tell which."""


class JobCancelled(BaseException):
    """A job ends early: it was cancelled, its engine closes, or nobody reads its events any more.

    Like asyncio.CancelledError it is no Exception: code that carries on after an error does not swallow it.
    """


# All but line feed, carriage return and tab. They are invisible, and terminals interpret them.
CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def visible(text: str) -> str:
    """Untrusted text with control characters replaced by �, so that no terminal interprets them."""
    return CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", text)


def first_line(error: BaseException) -> str:
    """First line of a foreign error's message; its class name if the message is empty."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def first_problem(error: ValidationError) -> str:
    """The first validation problem as one line that names the field."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}{more}"


def one_line(error: DitpipeError | ValueError) -> str:
    """The message of an error that the caller can act on, as one visible line."""
    message = first_problem(error) if isinstance(error, ValidationError) else str(error)
    return visible(" ".join(message.split()))
