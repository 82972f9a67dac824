"""Requests with one option, drawn."""

from __future__ import annotations

from typing import Any

import torch
from plans import plan_of

from ditpipe import Renderer, RenderRequest


def request(renderer: Renderer, **fields: Any) -> RenderRequest:
    usual: dict[str, Any] = {"plan": plan_of(2), "model": renderer.model, "steps": 4}
    return RenderRequest(**(usual | fields))


def drawn(renderer: Renderer, **fields: Any) -> torch.Tensor:
    return renderer.render(request(renderer, **fields)).latents
