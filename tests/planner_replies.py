"""A brief and what a chat model answers to it."""

import json

BRIEF = "a red cat on the left and a blue rocket on the right, at night"


def thing(subject: str, colour: str, position: str, detail: str = "") -> dict[str, str]:
    return {"subject": subject, "colour": colour, "detail": detail, "position": position}


def reply(*objects: dict[str, str], background: str = "at night", mood: str = "soft moonlight") -> str:
    return json.dumps({"objects": objects, "background": background, "mood": mood})


GOOD = reply(thing("cat", "red", "left", "striped"), thing("rocket", "blue", "right"))
