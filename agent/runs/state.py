"""The state of a run on disk: LangGraph's checkpoints in SQLite as JSON, which names no code to run.

LangGraph's own serializer builds any object that a checkpoint names. Run folders are shared, so it is not used.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Interrupt

from ...prompts.errors import first_line
from ...prompts.outside_json import parse_json

MAX_STATE = 64 * 2**20  # bytes of one value
JSON, INTERRUPTS = "json", "json interrupts"


class UnreadableState(Exception):
    """Checkpoints that were not written by this version of ditpipe; str() says what is in them."""


class JsonSerializer:
    """LangGraph's SerializerProtocol over plain JSON.

    The only LangGraph object in a checkpoint is the `Interrupt` of a plan that waits for approval: it is written as its
    value and id.
    """

    def dumps_typed(self, value: Any) -> tuple[str, bytes]:
        """(name for the column `type`, JSON). Raises TypeError if the value is not JSON."""
        if isinstance(value, list | tuple) and value and all(isinstance(interrupt, Interrupt) for interrupt in value):
            return INTERRUPTS, json.dumps(
                [{"value": interrupt.value, "id": interrupt.id} for interrupt in value]
            ).encode()
        return JSON, json.dumps(value, default=_error_text).encode()

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value again, tuples as lists. Raises ValueError for values that `dumps_typed` does not write."""
        kind, content = data
        if kind not in (JSON, INTERRUPTS) or not isinstance(content, bytes):
            raise ValueError(f"a value of the type {str(kind)[:20]!r}, and only JSON is read")
        value = parse_json(content, limit=MAX_STATE)
        if kind == JSON:
            return value
        try:
            return [Interrupt(value=entry["value"], id=str(entry["id"])) for entry in value]
        except (TypeError, KeyError) as error:
            raise ValueError("an interrupt that has no value and id") from error


def _error_text(value: Any) -> str:
    """LangGraph's note about a node that failed; nothing reads it again."""
    if isinstance(value, BaseException):
        return repr(value)
    raise TypeError(f"a {type(value).__name__} is not JSON: the state of a run holds nothing else")


@contextmanager
def checkpoints(folder: Path) -> Iterator[SqliteSaver]:
    """The checkpointer of a run folder, which may come from somebody else.

    Raises sqlite3.Error if the file cannot be opened, UnreadableState if it holds what no checkpointer writes.
    """
    with closing(sqlite3.connect(folder / "checkpoints.sqlite", check_same_thread=False)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_STATE)
        connection.execute("PRAGMA trusted_schema = OFF")
        try:
            _check(connection)
        except ValueError as error:
            raise UnreadableState(str(error)) from error
        saver = SqliteSaver(connection, serde=JsonSerializer())
        try:
            yield saver
        finally:
            with saver.lock:  # a thread of LangGraph's may be writing, which a connection that closes would crash
                connection.close()


def _check(connection: sqlite3.Connection) -> None:
    """Raises ValueError for views and triggers, which would run as the tables are used, and for metadata that the saver
    could not parse."""
    kinds = dict(connection.execute("SELECT name, type FROM sqlite_schema"))
    if strange := [name for name, kind in kinds.items() if kind not in ("table", "index")]:
        raise ValueError(f"a {kinds[strange[0]]} {strange[0]!r}, which no run has")
    if "checkpoints" in kinds:
        for (text,) in connection.execute("SELECT metadata FROM checkpoints WHERE metadata IS NOT NULL"):
            parse_json(text)


def read_state(app: Any, config: Any) -> Any:
    """The state of a run as its checkpoints have it, through the compiled graph.

    Raises sqlite3.Error, or UnreadableState for what is no state.
    """
    try:
        return app.get_state(config)
    except sqlite3.Error:
        raise
    except Exception as error:  # LangGraph trusts what it reads: each thing that is missing raises something else
        raise UnreadableState(first_line(error)) from error
