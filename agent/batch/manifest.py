"""The manifest of a batch: a row per line, appended as it is finished, in the order of the lines at the end."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ...prompts.errors import RunError
from ...prompts.outside_json import parse_json
from ...prompts.plan import StrictModel
from ...renderer.pictures.artifacts import write

KEY = re.compile("[0-9a-f]{64}")


class Row(StrictModel):
    """What became of a line; line 0: none of this file's, but drawn into this folder before.

    Paths are relative to the manifest's folder; `score` is the critique's, null if nobody judged the picture;
    `seconds`: of drawing and judging it. Of a failed line `error` is the reason."""

    line: int
    key: str
    name: str = ""
    status: Literal["done", "failed", "pending"] = "pending"
    brief: str = ""
    picture: str | None = None
    plan: str | None = None
    critique: str | None = None
    score: float | None = None
    rounds: int | None = None
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    model: str = ""
    seconds: float | None = None
    warnings: list[str] = []
    error: str = ""


def file_of(kind: str, key: str, suffix: str) -> str:
    """'pictures/ab/ab12….png': the file of a key, in one of 256 folders."""
    return f"{kind}/{key[:2]}/{key}.{suffix}"


class Manifest:
    """A JSONL file in the folder of a batch. Whatever a killed process has half written is dropped."""

    def __init__(self, folder: Path, shard: tuple[int, int] = (1, 1)) -> None:
        number, of = shard
        self.folder = folder
        self.file = folder / ("manifest.jsonl" if of == 1 else f"manifest-{number}-of-{of}.jsonl")

    def rows(self) -> dict[str, Row]:
        """The latest row of each key in this manifest."""
        return _rows(self.file)

    def done(self) -> dict[str, Row]:
        """The rows of finished keys in all manifests of the folder, whose pictures and plans are there."""
        rows: dict[str, Row] = {}
        for file in sorted(self.folder.glob("manifest*.jsonl")):
            rows |= {key: row for key, row in _rows(file).items() if row.status == "done"}
        return {key: row for key, row in rows.items() if self._has_files(key)}

    def _has_files(self, key: str) -> bool:
        files = (self.folder / file_of("pictures", key, "png"), self.folder / file_of("plans", key, "json"))
        return all(file.is_file() for file in files)

    def append(self, row: Row) -> None:
        """Adds a finished row; it survives the death of this process. Raises RunError."""
        try:
            with self.file.open("ab") as out:
                out.write(row.model_dump_json().encode() + b"\n")
        except OSError as error:
            raise RunError(f"cannot write {self.file}: {error.strerror}") from error

    def rewrite(self, rows: Iterable[Row]) -> None:
        """Replaces the file by these rows, atomically. Raises RunError."""
        write(self.file, b"".join(row.model_dump_json().encode() + b"\n" for row in rows))

    def write_parquet(self, rows: Iterable[Row]) -> Path:
        """The rows as a Parquet file beside the JSONL. Raises RunError, ValueError without pyarrow."""
        check_parquet()
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {"integer": pa.int64(), "number": pa.float64(), "string": pa.string(), "array": pa.list_(pa.string())}
        schema = [(name, kinds[_kind(field)]) for name, field in Row.model_json_schema()["properties"].items()]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist([row.model_dump() for row in rows], schema=pa.schema(schema)), sink)
        path = self.file.with_suffix(".parquet")
        write(path, sink.getvalue().to_pybytes())
        return path


def check_parquet() -> None:
    """Raises ValueError if no Parquet file can be written here."""
    if find_spec("pyarrow") is None:
        raise ValueError('a Parquet file needs one more package: pip install "ditpipe[parquet]"')


def _kind(field: Mapping[str, object]) -> str:
    """The JSON type of a field of `Row`, without null."""
    options = field.get("anyOf")
    types = [option["type"] for option in options] if isinstance(options, list) else [field["type"]]
    return next(str(kind) for kind in types if kind != "null")


def _rows(file: Path) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    try:
        with file.open("rb") as source:
            for content in source:
                with suppress(ValueError):  # half a line of a process that was killed, or another program's
                    row = Row.model_validate(parse_json(content))
                    if KEY.fullmatch(row.key):
                        rows[row.key] = row
    except FileNotFoundError:
        pass
    except OSError as error:
        raise RunError(f"{file}: {error.strerror}") from error
    return rows
