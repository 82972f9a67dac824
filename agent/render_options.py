"""Render options of the command line beside the plan: start picture, ControlNets, LoRAs, memory saving."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from ..renderer.pictures.file_ref import FileRef
from ..renderer.request import Control, Lora, RenderRequest, Saving

DENOISE = 0.6


def saving(text: str) -> list[Saving]:
    """'tiling,int8' as a list. Raises ValueError that lists what there is."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in get_args(Saving)]:
        raise ValueError(f"{unknown[0]!r} saves no memory: one of {', '.join(get_args(Saving))}")
    return names  # type: ignore[return-value]


def lora(text: str) -> Lora:
    """'FILE', 'FILE,scale=0.8' or 'FILE,region=cat'. Raises ValueError, or RunError if the file is not there."""
    file, fields = _fields(text, "scale", "region")
    return Lora.model_validate({"file": FileRef.of(_absolute(file)), **fields})


def control(text: str) -> Control:
    """'canny=edges.png' or 'FOLDER=map.png,scale=0.7'. Raises ValueError, or RunError if the picture is not there."""
    assignment, fields = _fields(text, "scale")
    model, equals, image = assignment.partition("=")
    if not (model and equals and image):
        raise ValueError(f"--control {text!r}: give MODEL=PICTURE, e.g. canny=edges.png or canny=edges.png,scale=0.7")
    return Control.model_validate({"model": model, "image": FileRef.of(_absolute(image)), **fields})


def with_files(
    request: RenderRequest, *, image: Path | None, denoise: float | None, controls: Sequence[str], loras: Sequence[str],
    fit: str | None = None, background: str | None = None,
) -> RenderRequest:  # fmt: skip
    """The request with a start picture, ControlNets and LoRAs. Raises ValueError or RunError.

    A start picture without `denoise` is put under `DENOISE` of the noise: all of it would leave nothing of it.
    """
    given: dict[str, Any] = {}
    if image:
        given |= {"image": FileRef.of(_absolute(image)), "denoise": DENOISE}
    if denoise is not None:
        given["denoise"] = denoise
    given |= {"fit": fit} if fit else {}
    given |= {"background": background} if background else {}
    if controls:
        given["controls"] = [control(text) for text in controls]
    if loras:
        given["loras"] = [lora(text) for text in loras]
    return RenderRequest.model_validate({**dict(request), **given}) if given else request


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().resolve()


def _fields(text: str, *known: str) -> tuple[str, dict[str, str]]:
    """The text before the first comma, and the `name=value` fields after it."""
    first, *rest = text.split(",")
    fields = {}
    for part in rest:
        name, _, value = part.partition("=")
        if name.strip() not in known or not value:
            raise ValueError(
                f"{part!r} in {text!r}: after the comma comes {' or '.join(f'{field}=…' for field in known)}"
            )
        fields[name.strip()] = value.strip()
    return first, fields
