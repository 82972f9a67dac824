"""The table of layout formats: which one a content is in, and the way in and out of each.

A new format is a file in captions/ (JSON for models), projects/ (of other programs) or syntax/ (in prompts) with a
`LayoutFormat`, which is imported here and gets a place in `FORMATS`. The first whose `sniff` is true reads it, so
formats with marks of their own stand before those that take looser text. Its tests are in tests/test_formats.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ..errors import first_problem
from ..outside_json import MAX_JSON, decoded, parse_json
from ..plan import ScenePlan
from .captions.comfy_boxes import COMFY_BOXES
from .captions.fibo import FIBO
from .captions.flux3 import FLUX3
from .captions.ideogram4 import IDEOGRAM4
from .layout_format import FEATURES, Content, DumpedLayout, LayoutFormat, LoadedLayout, plain, unsaid
from .projects.coco import COCO
from .projects.comfy_workflow import COMFY_WORKFLOW
from .projects.invokeai import INVOKEAI
from .projects.krita import KRITA
from .syntax.forge_couple import FORGE_COUPLE
from .syntax.omost import OMOST
from .syntax.parameters import PARAMETERS
from .syntax.prose import PROSE
from .syntax.regional_flux import REGIONAL_FLUX
from .syntax.regional_prompter import REGIONAL_PROMPTER
from .syntax.swarmui import SWARMUI

_INNER = ("caption", "prompt", "structured_prompt", "structured_caption", "json_prompt", "lines", "text")
_BROKEN = (TypeError, AttributeError, KeyError, IndexError, ZeroDivisionError, OverflowError, RecursionError)


def _sniff_plan(content: Content) -> bool:
    return isinstance(content.data, dict) and {"scene", "regions"} <= content.data.keys()


def _read_plan(content: Content) -> LoadedLayout:
    plan = ScenePlan.model_validate(content.data)
    return LoadedLayout(plan, DITPIPE.name)


def _write_plan(plan: ScenePlan) -> tuple[str, list[str]]:
    return plan.model_dump_json(indent=2), []


DITPIPE = LayoutFormat(
    "ditpipe", "ditpipe plan", says=frozenset(FEATURES), boxes="exact", sniff=_sniff_plan, read=_read_plan,
    write=_write_plan, aliases=("plan",),
)  # fmt: skip
# In the order in which they are tried: those with marks of their own first.
FORMATS: tuple[LayoutFormat, ...] = (
    DITPIPE, IDEOGRAM4, FIBO, COMFY_WORKFLOW, INVOKEAI, KRITA, PARAMETERS, REGIONAL_FLUX, FLUX3, COMFY_BOXES, COCO,
    OMOST, SWARMUI, REGIONAL_PROMPTER, FORGE_COUPLE, PROSE,
)  # fmt: skip


def format_named(name: str) -> LayoutFormat:
    """The format of that name, or of one of its other names. Raises ValueError that lists them."""
    wanted = plain(name)
    for form in FORMATS:
        if wanted in (plain(form.name), plain(form.program), *map(plain, form.aliases)):
            return form
    raise ValueError(f"there is no layout format {name[:40]!r}: one of {', '.join(form.name for form in FORMATS)}")


def read_layout(content: str | bytes, *, format: str = "", settings: Mapping[str, Any] | None = None) -> LoadedLayout:
    """The plan in another program's layout. format: its name; empty: recognised from the content.

    settings: what the program keeps beside the text: width, height, direction, ratio … They win over those in the
    content. Raises ValueError, one line.
    """
    given = _content(content, settings or {})
    form = format_named(format) if format else None
    for _ in range(3):  # a caption in a prompt in an object
        found = form if form and (form.sniff(given) or not isinstance(given.data, dict)) else None
        found = found or (None if form else next((other for other in FORMATS if other.sniff(given)), None))
        if found:
            return _read(found, given)
        if not isinstance(given.data, dict) or not (inner := _unwrapped(given, settings or {})):
            break
        given, named = inner
        form = form or named
    if form:
        return _read(form, given)
    lines = [line for line in given.text.splitlines() if line.strip()]
    if given.data is None and len(lines) > 1:
        layout = _read(FORGE_COUPLE, given)
        note = "lines without marks: read as those of sd-forge-couple, one region each (--from names another format)"
        return LoadedLayout(layout.plan.with_notes([note]), layout.format, (note, *layout.notes), layout.settings)
    raise ValueError(
        "no layout format is recognised in this: name it with --from, one of "
        + ", ".join(form.name for form in FORMATS)
    )


def dump_layout(plan: ScenePlan, format: str) -> DumpedLayout:
    """A plan in another program's format. Raises ValueError that lists the formats."""
    form = format_named(format)
    if form.write is None:
        raise ValueError(f"{form.program} is only read, not written")
    text, notes = form.write(plan)
    return DumpedLayout(text, form.name, (*notes, *unsaid(plan, form.says)))


def _content(content: str | bytes, settings: Mapping[str, Any]) -> Content:
    if len(content) > MAX_JSON:
        raise ValueError(f"{len(content):,} bytes of layout are too many: at most {MAX_JSON:,} are read")
    text = content if isinstance(content, str) else decoded(content)
    data = None
    if text.lstrip()[:1] in ("{", "["):
        try:
            data = parse_json(text.strip())
        except ValueError as error:
            if "deeply" in str(error):
                raise
    return Content(text, data, settings)


def _unwrapped(content: Content, settings: Mapping[str, Any]) -> tuple[Content, LayoutFormat | None] | None:
    """The layout inside an object, whose other fields become settings, and the format that the object names."""
    data: dict[str, Any] = content.data
    key = next((name for name in _INNER if isinstance(data.get(name), dict | str | list)), None)
    if key is None:
        return None
    rest = {name: value for name, value in data.items() if name != key} | dict(settings)
    named = None
    for name in ("format", "syntax"):
        try:
            named = named or format_named(str(rest.get(name, "")))
        except ValueError:
            continue
    value = data[key]
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        value = f"\n{separator}\n".join(value) if (separator := rest.get("separator")) else "\n".join(value)
    if isinstance(value, str):
        return _content(value, rest), named
    return Content("", value, rest), named


def _read(form: LayoutFormat, content: Content) -> LoadedLayout:
    try:
        return form.read(content)
    except ValidationError as error:
        raise ValueError(f"{form.program}: {first_problem(error)}") from error
    except _BROKEN as error:
        raise ValueError(f"this {form.program} cannot be read: it is not as that program writes it") from error
