"""What a vision critic and a reviser answer, and an agent whose models are behind one server on loopback."""

import json
from pathlib import Path
from typing import Any

from llm_servers import Answer, says
from plans import plan_of

from ditpipe import Agent
from ditpipe.prompts.plan import ScenePlan


def change(name: str, **changes: Any) -> dict[str, Any]:
    kept = {"high_level": None, "low_level": None, "negative": None, "box": None, "new_seed": False}
    return {"name": name} | kept | changes


def answer(*changes: dict[str, Any], **more: Any) -> str:
    nothing: dict[str, Any] = {"removed": [], "added": [], "scene_high_level": None, "scene_low_level": None}
    return json.dumps({"reason": "it shows a dog", "changes": list(changes)} | nothing | more)


def looks(number: int, *holds: bool) -> dict[str, Any]:
    checks = [{"question": f"{i}?", "needs": 1 if i else None, "holds": one} for i, one in enumerate(holds)]
    return {"box": number, "seen": "a dog", "checks": checks, "problem": "no cat"}


def verdict(*boxes: dict[str, Any]) -> Answer:
    return says(json.dumps({"boxes": boxes, "scene": [], "summary": ""}))


def painter(url: str, folder: Path, **options: Any) -> Agent:
    settings: dict[str, Any] = {"planner": "big", "critic": "eyes", "base_url": url, "steps": 2, "out": folder}
    return Agent(**settings | options)


def pocket_plan() -> ScenePlan:
    return plan_of(2).model_copy(update={"width": 256, "height": 256})
