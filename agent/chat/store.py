"""Storage of conversations: one SQLite file for all sessions, and a folder of pictures for each. Draws nothing.

Any number of processes and threads may use one store at once: every call opens its own connection, a call that writes
is one transaction, and readers do not wait.
"""

import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ...prompts.answers.chat_schema import Kind
from ...prompts.critique import Critique
from ...prompts.errors import RunError, visible
from ...prompts.outside_json import parse_json
from ...prompts.outside_sqlite import check_tables, open_safely
from ...prompts.plan import ScenePlan
from ...prompts.revision import Revision
from ..refine.edit_review import Comparison

Moment = Annotated[float, Field(ge=0, lt=2**37)]  # seconds since 1970, of years that a calendar has
Words = Annotated[str, AfterValidator(visible)]  # the file may be a stranger's, and goes to a terminal
Status = Literal["pending", "waiting", "done", "stopped", "failed"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL, head INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS turns (
    session TEXT NOT NULL REFERENCES sessions(id), number INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (session, number)
) STRICT;
"""


class TurnPicture(BaseModel):
    """A picture of a turn: a candidate, or a round's best. `picture`: relative to the session's folder."""

    model_config = ConfigDict(frozen=True)

    picture: str
    critique: Critique | None = None

    @property
    def score(self) -> float | None:
        return self.critique.score if self.critique else None


class Turn(BaseModel):
    """One message and what came of it. Turns with a picture are the nodes of a tree; a session's head is one of them.

    `parent`: number of the turn whose picture this one was made from. `head`: number of the turn that is current after
    it: the turn itself if it drew something. Files are relative to the session's folder: `folder` is the run folder,
    `base` the picture that was edited (None if all of it was drawn). `plan` is that of `picture`, or waits for
    approval; `approved`: it was given. `job`: id of the job that carries it out; `may_pass`: it failed for a reason
    that may pass. `notes`: what of the message was not done, or done differently; `suggestions`: messages that would
    answer its clarifying question; `touched`: the regions that it is about. `candidates` are the best round's, if there
    were several. `round`: number of the round whose picture it is; 0 if the previous picture stays, since all `rounds`
    came out worse. Then `candidates` are that picture and the rounds, `revision` is the requested one, and `parent` is
    the previous picture's parent. `comparison`: the best round compared with the previous picture.
    `status`: pending (recorded, not finished: its process works on it, or died), waiting (for approval of the plan),
    done, stopped (by the person) or failed (`reply` says why).
    """

    model_config = ConfigDict(frozen=True)

    number: int
    message: Words
    created: Moment
    kind: Kind | None = None
    status: Status = "pending"
    reply: Words = ""
    job: str = ""
    may_pass: bool = False
    notes: tuple[Words, ...] = ()
    suggestions: tuple[Words, ...] = ()
    touched: tuple[Words, ...] = ()
    parent: int | None = None
    head: int | None = None
    brief: Words = ""
    plan: ScenePlan | None = None
    revision: Revision | None = None
    seed: int | None = None
    base: str | None = None
    folder: str | None = None
    picture: str | None = None
    critique: Critique | None = None
    approved: bool = False
    rounds: tuple[TurnPicture, ...] = ()
    candidates: tuple[TurnPicture, ...] = ()
    round: int | None = None
    comparison: Comparison | None = None


class SessionRecord(BaseModel):
    """A line of the list of sessions. Times are seconds since 1970."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: Words
    created: Moment
    updated: Moment
    head: int | None
    turns: int


class Store:
    """Sessions and their turns in `folder`/sessions.sqlite; pictures of session ID in `folder`/ID/."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: None for the user's data folder. Raises RunError if it cannot be written, or was not
        written by ditpipe."""
        self.folder = (folder or user_data_path("ditpipe") / "sessions").expanduser().resolve()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot keep sessions in {self.folder}: {error.strerror}") from error
        with self._transaction() as db:
            try:
                check_tables(db, SCHEMA)
            except ValueError as error:
                raise RunError(f"cannot keep sessions in {self.folder}: {error}") from error
            db.executescript(SCHEMA)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for one reading statement. Raises RunError."""
        try:
            with closing(sqlite3.connect(self.folder / "sessions.sqlite", timeout=30, isolation_level=None)) as db:
                open_safely(db)  # the file may come from an untrusted source
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA foreign_keys=ON")
                yield db
        except sqlite3.Error as error:
            raise RunError(f"cannot keep sessions in {self.folder}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction that waits for its turn to write. Raises RunError."""
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            if db.in_transaction:
                db.execute("COMMIT")

    def create(self, title: str = "") -> SessionRecord:
        """A new session without turns."""
        now, name = time.time(), f"{time.strftime('%y%m%d')}-{secrets.token_hex(3)}"
        with self._transaction() as db:
            db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, NULL)", (name, title, now, now))
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        return self.record(name)

    def records(self) -> list[SessionRecord]:
        """All sessions, the most recently used first."""
        return self._records("")

    def record(self, session: str) -> SessionRecord:
        """The session of that id, or of a beginning that only one id has. Raises RunError."""
        exact = self._records("WHERE id = ?", session)
        records = exact or self._records("WHERE substr(id, 1, ?) = ?", len(session), session)
        if len(records) != 1 or not session:
            which = "several sessions begin" if len(records) > 1 else "no session begins"
            raise RunError(f"{which} with {session!r}; list them: ditpipe sessions")
        return records[0]

    def _records(self, where: str, *values: Any) -> list[SessionRecord]:
        query = (
            "SELECT id, title, created, updated, head, (SELECT count(*) FROM turns WHERE session = id) "
            f"FROM sessions {where} ORDER BY updated DESC, id"
        )
        with self._connection() as db:
            rows = db.execute(query, values).fetchall()
        try:
            return [SessionRecord(**dict(zip(SessionRecord.model_fields, row, strict=True))) for row in rows]
        except ValueError as error:
            raise RunError(f"the sessions in {self.folder} cannot be listed by this version of ditpipe") from error

    def rename(self, session: str, title: str) -> None:
        with self._transaction() as db:
            db.execute("UPDATE sessions SET title = ? WHERE id = ?", (title, session))

    def turns(self, session: str) -> list[Turn]:
        """The transcript, in the order of the messages. Raises RunError."""
        with self._connection() as db:
            rows = db.execute("SELECT number, body FROM turns WHERE session = ? ORDER BY number", (session,)).fetchall()
        return [_turn(session, number, body) for number, body in rows]

    def add(self, session: str, message: str, **fields: Any) -> Turn:
        """Records a message as the next turn, pending unless `fields` sets a status."""
        with self._transaction() as db:
            (last, head) = db.execute(
                "SELECT (SELECT max(number) FROM turns WHERE session = id), head FROM sessions WHERE id = ?", (session,)
            ).fetchone()
            turn = Turn(**{"head": head} | fields, number=(last or 0) + 1, message=message, created=time.time())
            db.execute("INSERT INTO turns VALUES (?, ?, ?)", (session, turn.number, turn.model_dump_json()))
            db.execute("UPDATE sessions SET updated = ?, head = ? WHERE id = ?", (turn.created, turn.head, session))
        return turn

    def update(self, session: str, turn: Turn) -> Turn:
        """Writes a turn anew; a finished one moves the session's head to its own."""
        with self._transaction() as db:
            db.execute(
                "UPDATE turns SET body = ? WHERE session = ? AND number = ?",
                (turn.model_dump_json(), session, turn.number),
            )
            db.execute("UPDATE sessions SET updated = ?, head = ? WHERE id = ?", (time.time(), turn.head, session))
        return turn

    def remove(self, session: str, turn: Turn) -> None:
        """Removes a turn from the transcript."""
        with self._transaction() as db:
            db.execute("DELETE FROM turns WHERE session = ? AND number = ?", (session, turn.number))

    def delete(self, session: str) -> None:
        """Removes a session and its turns; its pictures stay where they are."""
        with self._transaction() as db:
            db.execute("DELETE FROM turns WHERE session = ?", (session,))
            db.execute("DELETE FROM sessions WHERE id = ?", (session,))

    def fill(self, session: str, turns: list[Turn]) -> SessionRecord:
        """Copies turns of another session into a new one, with their numbers."""
        with self._transaction() as db:
            rows = [(session, turn.number, turn.model_dump_json()) for turn in turns]
            db.executemany("INSERT INTO turns VALUES (?, ?, ?)", rows)
            head = turns[-1].head if turns else None
            db.execute("UPDATE sessions SET head = ? WHERE id = ?", (head, session))
        return self.record(session)


def _turn(session: str, number: int, body: str) -> Turn:
    try:
        turn = Turn.model_validate(parse_json(body))
        if turn.number != number:
            raise ValueError(f"it says that it is turn {turn.number}")
        return turn
    except ValueError as error:
        raise RunError(f"turn {number} of session {session} cannot be read by this version of ditpipe") from error
