"""What jobs report while they run: frozen dataclasses that are JSON where they leave their process."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydantic import Base64Bytes, TypeAdapter

from ...renderer.request import Step


@dataclass(frozen=True)
class JobEvent:
    """An event of a job; subclasses are frozen dataclasses of things that pydantic can write as JSON."""

    @classmethod
    def name(cls) -> str:
        """'stepped', 'planned', …: what the event is called outside of Python."""
        return cls.__name__.lower()

    def as_json(self) -> dict[str, Any]:
        """Its fields; `event_from_json` reads them."""
        fields: dict[str, Any] = _adapter(type(self)).dump_python(self, mode="json")
        return fields

    def public_json(self) -> dict[str, Any]:
        """The same for somebody on another machine: without files of this one."""
        return self.as_json()


@dataclass(frozen=True)
class Stepped(JobEvent):
    """A step of a round, `index` 1 … `total` over all its candidates; `preview`: a small PNG, on some steps."""

    round: int
    index: int
    total: int
    preview: Base64Bytes | None = None


def event_from_json(kind: type[JobEvent], fields: dict[str, Any]) -> JobEvent:
    """The event of `as_json`. Raises pydantic's ValidationError (a ValueError) for anything else."""
    event: JobEvent = _adapter(kind).validate_python(fields)
    return event


def preview_of(step: Step) -> bytes | None:
    """What the model expects to come out, as a small PNG; None where only a server knows it."""
    if step.preview is None:
        return None
    buffer = BytesIO()
    step.preview().save(buffer, "PNG")
    return buffer.getvalue()


_adapters: dict[type[JobEvent], TypeAdapter[Any]] = {}  # making one takes milliseconds


def _adapter(kind: type[JobEvent]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]
