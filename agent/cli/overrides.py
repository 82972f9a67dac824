"""Plan fields set from the command line: 'cat.feather=2', '*.strength=0.7', 'negative=blurred'."""

from collections.abc import Sequence
from typing import Any

from ...prompts.outside_json import parse_json
from ...prompts.plan import Region, ScenePlan

PLAN_FIELDS = ("width", "height", "negative")
REGION_FIELDS = tuple(name for name in Region.model_fields if name not in ("name", "prompt"))


def overridden(plan: ScenePlan, assignments: Sequence[str]) -> ScenePlan:
    """The plan with fields of one region (NAME.FIELD=VALUE), of all (*.FIELD=VALUE) or of itself (FIELD=VALUE) set.

    Raises ValueError that lists the fields or regions there are; pydantic's ValidationError for an impossible value.
    """
    content = plan.model_dump()
    for assignment in assignments:
        target, equals, value = assignment.partition("=")
        name, _, field = target.rpartition(".")
        if not equals or field not in (REGION_FIELDS if name else PLAN_FIELDS):
            raise ValueError(
                f"cannot set {assignment!r}: give NAME.FIELD=VALUE or *.FIELD=VALUE with one of "
                f"{', '.join(REGION_FIELDS)}, or FIELD=VALUE with one of {', '.join(PLAN_FIELDS)}"
            )
        if not name:
            content[field] = _value(value)
            continue
        names = [region.name for region in plan.regions] if name == "*" else [plan.region(name).name]
        for region in content["regions"]:
            if region["name"] in names:
                region[field] = _value(value)
    return ScenePlan.model_validate(content)


def _value(text: str) -> Any:
    """The text parsed as JSON if it is JSON, else the text itself."""
    try:
        return parse_json(text)
    except ValueError:
        return text
