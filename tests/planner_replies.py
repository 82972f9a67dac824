"""A brief and what chat models answer to it: tuned local ones in few words, others with a whole plan."""

import json
from typing import Any

BRIEF = "a red cat on the left and a blue rocket on the right, at night"


def short(
    *rows: tuple[str, str, str, str] | tuple[str, str, str, str, int],
    background: str = "at night",
    mood: str = "soft moonlight",
) -> str:
    """A tuned model's answer; rows: subject, colour, detail and position."""
    return json.dumps({"objects": rows, "background": background, "mood": mood})


def region(name: str, box: list[float], high: str = "", low: str = "", **fields: Any) -> dict[str, Any]:
    edges = dict(zip(("left", "top", "right", "bottom"), box, strict=True))
    return {"name": name, "box": edges, "high_level": high or name, "low_level": low} | fields


def whole(*regions: dict[str, Any], high: str = "a picture", low: str = "soft light", **fields: Any) -> str:
    """Any other model's answer."""
    return json.dumps({"high_level": high, "low_level": low, "regions": regions} | fields)


SHORT = short(("cat", "red", "striped", "left"), ("rocket", "blue", "", "right"))
# The same plan.
GOOD = whole(
    region("cat", [0, 0, 500, 1000], "cat on the left", "striped red"),
    region("rocket", [500, 0, 1000, 1000], "rocket on the right", "blue"),
    high="a red cat on the left and a blue rocket on the right at night", low="soft moonlight",
)  # fmt: skip
