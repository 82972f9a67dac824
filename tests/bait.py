"""Files that a stranger could pass on: bait for whoever unpickles them, rows of databases, critics that fail."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any


class Bait:
    """Pickled, it makes a file when somebody unpickles it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.trace),)


def changed(file: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(file)) as table, table:
        table.execute(statement, values)
