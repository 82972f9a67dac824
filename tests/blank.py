"""A renderer that draws one colour and computes nothing, for tests of what is around it."""

from typing import Any

import torch
from PIL import Image

from ditpipe import Renderer
from ditpipe.renderer.request import LocalResult, RenderRequest


class Blank(Renderer):
    """Answers at once, as the pocket model would; a process that was forked may use it, too."""

    def __init__(self) -> None:
        super().__init__("pocket")

    def render(self, request: RenderRequest, on_step: Any = None) -> LocalResult:
        return self._blank(request)

    def candidates(self, request: RenderRequest, count: int, on_step: Any = None) -> list[LocalResult]:
        return [self._blank(request)] * count

    def edit(self, picture: Any, revision: Any, on_step: Any = None) -> LocalResult:
        before = picture if isinstance(picture, RenderRequest) else picture.request
        return self._blank(before.model_copy(update={"edits": [*before.edits, revision]}))

    def _blank(self, request: RenderRequest) -> LocalResult:
        width, height = request.plan.size
        image = Image.new("RGB", (width, height), "navy")
        latents = torch.zeros(1, 4, height // 8, width // 8)
        return LocalResult(request.model_copy(update={"model": self.model}), image, latents, 0.0)
