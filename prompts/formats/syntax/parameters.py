"""The `parameters` text that AUTOMATIC1111's web UI writes into pictures, payloads of its API, and SwarmUI's metadata.

A prompt in them that divides the picture is read by the format it is in: Regional Prompter, sd-forge-couple or SwarmUI.
Source: AUTOMATIC1111/stable-diffusion-webui, modules/infotext_utils.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...outside_json import parse_json
from ...plan import ScenePlan
from ...wording import joined
from ..draft import Draft, number, region_prompt, scene_prompt, text_of
from ..layout_format import Content, LayoutFormat, LoadedLayout
from .forge_couple import FORGE_COUPLE
from .regional_prompter import REGIONAL_PROMPTER
from .swarmui import SWARMUI

NEGATIVE = "Negative prompt:"
_PAIR = re.compile(r'\s*(\w[\w \-/]{0,60}):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_INNER = (REGIONAL_PROMPTER, FORGE_COUPLE, SWARMUI)
_PAYLOAD = {"negative_prompt", "steps", "sampler_name", "cfg_scale", "alwayson_scripts", "negativeprompt", "cfgscale"}
# Names of settings, as each program writes them.
_SETTINGS = {
    "seed": ("Seed", "seed"), "steps": ("Steps", "steps"), "guidance_scale": ("CFG scale", "cfg_scale", "cfgscale"),
    "sampler": ("Sampler", "sampler_name", "sampler"), "model": ("Model", "sd_model_checkpoint", "model"),
}  # fmt: skip
_UNUSED = (
    "Size",
    "Schedule type",
    "Model hash",
    "Version",
    "VAE",
    "VAE hash",
    "Lora hashes",
    "TI hashes",
    "Hashes",
    "RNG",
)


def parse_parameters(text: str) -> tuple[str, str, dict[str, str]] | None:
    """Prompt, negative prompt and settings of a `parameters` text; None if it is none."""
    lines = text.strip().split("\n")
    settings = {match[1]: _unquoted(match[2]) for match in _PAIR.finditer(lines[-1])} if lines else {}
    if len(settings) < 3 or "Steps" not in settings:
        return None
    prompt, mark, negative = "\n".join(lines[:-1]).partition(NEGATIVE)
    return prompt.strip(), negative.strip() if mark else "", settings


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return str(parse_json(value))
        except ValueError:
            return value[1:-1]
    return value


def write_parameters(prompt: str, negative: str, settings: Mapping[str, Any]) -> str:
    """The `parameters` text; its inverse is `parse_parameters`. settings: in the order in which they are written."""
    pairs = ", ".join(f"{name}: {_quoted(str(value))}" for name, value in settings.items())
    middle = [f"{NEGATIVE} {' '.join(negative.split())}"] if negative else []
    return "\n".join([prompt.strip(), *middle, pairs])


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if set(value) & set(',:"\n') else value


def merged_prompt(plan: ScenePlan) -> str:
    """One prompt for programs without regions: the scene's, and of the regions' what it does not say already."""
    scene = scene_prompt(plan)
    rest = [text for region in plan.regions if (text := region_prompt(region)) and text.lower() not in scene.lower()]
    return joined(scene, *dict.fromkeys(rest))


def _payload(data: Any) -> dict[str, Any] | None:
    """The body of a request to the web UI, or SwarmUI's metadata."""
    if not isinstance(data, dict):
        return None
    inner = data.get("sui_image_params")
    data = inner if isinstance(inner, dict) else data
    return data if isinstance(data.get("prompt"), str) and (inner or _PAYLOAD & data.keys()) else None


def _sniff(content: Content) -> bool:
    return _payload(content.data) is not None or (content.data is None and parse_parameters(content.text) is not None)


def _read(content: Content) -> LoadedLayout:
    payload = _payload(content.data)
    if payload is not None:
        given: Mapping[str, Any] = payload
        prompt = payload["prompt"]
        negative = text_of(payload.get("negative_prompt")) or text_of(payload.get("negativeprompt"))
    elif parsed := parse_parameters(content.text):
        prompt, negative, given = parsed
    else:
        raise ValueError("parameters end in a line such as 'Steps: 30, Sampler: Euler, CFG scale: 6': it is not there")
    width, height = given.get("width"), given.get("height")
    if match := re.fullmatch(r"(\d{2,5})x(\d{2,5})", str(given.get("Size", ""))):
        width, height = match.groups()
    settings = {**given, **content.settings, "negative": negative, "width": width, "height": height}
    inside = Content(prompt, settings=settings)
    inner = next((form for form in _INNER if _is_on(form, inside)), None)
    if inner:
        layout = inner.read(inside)
    else:
        draft = Draft("a1111", width=width, height=height)
        if payload is None:
            known = [name for names in _SETTINGS.values() for name in names]
            draft.ignored(given, *known, *_UNUSED, where="parameters")
        layout = draft.layout(prompt, negative=negative)
    found = {name: next((given[key] for key in names if given.get(key)), None) for name, names in _SETTINGS.items()}
    settings_found = {name: value for name, raw in found.items() if (value := _value(name, raw)) is not None}
    return LoadedLayout(layout.plan, layout.format, layout.notes, {**layout.settings, **settings_found})


def _is_on(form: LayoutFormat, content: Content) -> bool:
    """Whether a prompt is divided in this format: by its keys, or by a setting that switches it on."""
    scripts = content.settings.get("alwayson_scripts")
    if form is REGIONAL_PROMPTER and (
        str(content.setting("RP Active")).casefold() == "true"
        or (isinstance(scripts, dict) and "Regional Prompter" in scripts)
    ):
        return True
    if form is REGIONAL_PROMPTER:  # BREAK alone divides a prompt for CLIP, not the picture
        return bool(re.search(r"\bADD(COL|ROW|COMM|BASE)\b", content.text))
    return form.sniff(content)


def _value(name: str, value: Any) -> Any:
    """A setting in its own type; None for what is none."""
    if name in ("sampler", "model"):
        return text_of(value) or None
    found = number(value)
    return None if found is None else found if name == "guidance_scale" else int(found)


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    size = {"Size": f"{plan.width}x{plan.height}"} if plan.width and plan.height else {}
    settings = {"Steps": 30, "Sampler": "Euler", "CFG scale": 6, "Seed": 0, **size}
    notes = ["boxes: not said; the prompts of the regions follow the scene's"] if plan.regions else []
    notes.append("Steps, Sampler, CFG scale and Seed are placeholders")
    return write_parameters(merged_prompt(plan), plan.negative, settings), notes


PARAMETERS = LayoutFormat(
    "a1111", "AUTOMATIC1111 parameters", says=frozenset({"size", "style", "negative"}), boxes="none", sniff=_sniff,
    read=_read, write=_write, aliases=("automatic1111", "parameters", "civitai"),
)  # fmt: skip
