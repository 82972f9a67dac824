"""The preview of a step, which every model on this machine has."""

from PIL import Image

from ditpipe.renderer.request import Step


def preview(step: Step) -> Image.Image:
    assert step.preview
    return step.preview()
