"""Parsing of untrusted JSON: shared files, uploads, request bodies, replies of LLMs."""

import json
from pathlib import Path
from typing import Any

from pydantic_core import from_json

JsonObject = dict[str, Any]
MAX_JSON = 4 * 2**20  # bytes; the largest run record and the largest plan take a few hundred thousand


def parse_json(content: Any, *, limit: int = MAX_JSON) -> Any:
    """Parses JSON. Bytes may be UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises ValueError with a one-line message for input longer than `limit` bytes (of a string: characters), nested more
    than about 200 levels deep (Python's own parser raises RecursionError), neither text nor bytes, or not JSON.
    """
    if not isinstance(content, str | bytes | bytearray):  # a foreign database may hold any type
        raise ValueError(f"not JSON: a {type(content).__name__} instead of a text")
    if len(content) > limit:
        raise ValueError(f"{len(content):,} bytes of JSON are too many: at most {limit:,} are read")
    try:
        return from_json(content.removeprefix("\ufeff") if isinstance(content, str) else decoded(content))
    except ValueError as error:
        if "recursion limit" in str(error):
            raise ValueError("this JSON is nested too deeply") from error
        raise ValueError(f"not JSON: {error}") from error


def read_bounded(file: Path, *, limit: int = MAX_JSON) -> bytes:
    """A file's content, of a longer file `limit` + 1 bytes, which `parse_json` refuses. Raises OSError."""
    with file.open("rb") as source:
        return source.read(limit + 1)


def decoded(content: bytes | bytearray) -> str:
    """A text that begins in ASCII: UTF-8, UTF-16 or UTF-32, with or without a byte order mark. Raises ValueError."""
    try:
        return content.decode(json.detect_encoding(bytes(content[:4]))).removeprefix("\ufeff")
    except UnicodeError as error:
        raise ValueError("its letters are neither UTF-8 nor UTF-16: save it as UTF-8") from error
