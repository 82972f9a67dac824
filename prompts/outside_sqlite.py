"""SQLite files that people pass on: their content is data, so they may hold no more than this program's tables."""

import sqlite3

MAX_VALUE = 16 * 2**20  # bytes of one value that is read


def open_safely(connection: sqlite3.Connection) -> None:
    """Sets on an open connection that nothing in the file runs with rights of its own, and bounds values in size."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
    connection.execute("PRAGMA trusted_schema = OFF")


def check_tables(connection: sqlite3.Connection, script: str) -> None:
    """Raises ValueError if the file has anything that `script` (CREATE TABLE …; CREATE INDEX …) does not make.

    Triggers and views, computed columns and conditions would run as the tables are used.
    """
    with sqlite3.connect(":memory:") as own:
        own.executescript(script)
        known = _schema(own)
    own.close()
    for name, statement in _schema(connection).items() - known.items():
        kind = statement.split(" ")[1].lower() if " " in statement else "thing"
        raise ValueError(f"it holds a {kind} {name[:60]!r} that this version of ditpipe does not make")


def _schema(connection: sqlite3.Connection) -> dict[str, str]:
    """What the file holds, by name, each as the statement that made it; without SQLite's own."""
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
    return {str(name): " ".join(str(sql).split()) for name, sql in rows}
