"""JSON that comes from outside: files that people pass on, uploads, bodies, replies of LLMs. One way to read it."""

import json
from typing import Any

from pydantic_core import from_json

MAX_JSON = 4 * 2**20  # bytes; the largest run record and the largest plan take a few hundred thousand


def parse_json(content: str | bytes | bytearray, *, limit: int = MAX_JSON) -> Any:
    """What the JSON says. Bytes may be UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises ValueError, one line, for what is longer than `limit` bytes (of a string: characters), for values nested more
    than some 200 deep, and for what is no JSON. Python's own parser recurses, and ends in a RecursionError.
    """
    if len(content) > limit:
        raise ValueError(f"{len(content):,} bytes of JSON are too many: at most {limit:,} are read")
    try:
        text = content if isinstance(content, str) else content.decode(json.detect_encoding(bytes(content[:4])))
        return from_json(text.removeprefix("\ufeff"))
    except UnicodeError as error:
        raise ValueError("not JSON: its letters are neither UTF-8 nor UTF-16") from error
    except ValueError as error:
        if "recursion limit" in str(error):
            raise ValueError("this JSON is nested too deeply") from error
        raise ValueError(f"not JSON: {error}") from error
