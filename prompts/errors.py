"""Every error that ditpipe raises on purpose.

DitpipeError
├── PlanningError      the planner's reply could not be made valid; `reply` holds it raw
├── CritiqueError      the same for a critic
├── ModelError         a model is unknown, missing or cannot be loaded
├── RenderError        the renderer could not draw
└── RunError           a run folder or picture cannot be read, written or resumed
"""


class DitpipeError(Exception):
    """Something the user or operator can act on; str() is one clear line."""


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
