"""Consent to load the models that a picture file names: the file may come from a stranger."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from ...prompts.errors import RunError
from ...renderer.checkpoints.registry import absolute_name
from ...renderer.request import RenderRequest
from ..settings import settings_of

HERE = "pocket"  # comes with ditpipe


def agreed_request(
    path: Path, request: RenderRequest, *, model: str | None, controls: Sequence[str] = ()
) -> tuple[RenderRequest, list[str]]:
    """The request of a picture file, which loads nothing that its reader did not agree to, and notes.

    model: the one to draw with; it agrees to the picture's own, or takes its place. controls: ControlNets that are
    agreed to. Raises RunError, with the options that agree, for a model that is neither the pocket model nor the
    reader's own setting, and for a ControlNet that is not a published one; ModelError for what is no model.
    """
    named = [request.model or HERE, *(control.model for control in request.controls)]
    named += [file.path for file in request.files]
    if not all(name.isprintable() for name in named):
        raise RunError(f"{path}: it names a model or a file with characters that cannot be shown")
    notes, options = [], []
    if model and request.model not in (None, model, absolute_name(model)):
        notes.append(f"the picture was drawn with the model {request.model}, and this one with {model}")
        request = request.model_copy(update={"model": absolute_name(model)})
    elif not model and request.model not in (None, HERE) and request.model != _own_model():
        options += ["--model", request.model]
    from .resume_policy import foreign_controls  # it loads what reads pictures

    for name in foreign_controls(request, controls):
        options += ["--control", name]
    if options:
        raise RunError(
            f"{path} asks for what is not yours to be loaded. To agree, add {shlex.join(map(str, options))}; or give "
            "your own model with --model"
        )
    return request, notes


def _own_model() -> str:
    return absolute_name(settings_of().model)
