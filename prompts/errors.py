"""Every error that ditpipe raises on purpose.

DitpipeError
├── PlanningError      the planner's reply could not be made valid; `reply` holds it raw
├── CritiqueError      the same for a critic
├── ModelError         a model is unknown, missing or cannot be loaded
├── RenderError        the renderer could not draw
├── RunError           a run folder or picture cannot be read, written or resumed
├── QueueFull          no more pictures are taken now; `retry_after` says when to try again
└── UnknownPicture     no picture of that id, or it is another caller's
"""

from pydantic import ValidationError


class DitpipeError(Exception):
    """Something the user or operator can act on; str() is one clear line.

    `resume`: the command that goes on with the run which it ended; empty if there is none.
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


class RunError(DitpipeError):
    """A run folder or picture cannot be read, written or resumed."""


class QueueFull(DitpipeError):
    """No more pictures are taken now; try again in `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnknownPicture(DitpipeError):
    """There is no picture of that id, or it is another caller's: the answer is the same."""


def first_line(error: BaseException) -> str:
    """What an error of somebody else's code says, shortened to its first line; its class where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def first_problem(error: ValidationError) -> str:
    """The first validation problem as one line that names the field."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}{more}"
