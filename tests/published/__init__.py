"""Checkpoint folders in exactly the structure that their publishers chose, made from nothing, with tiny widths.

File names, component classes, configuration keys and the names of weights are the published ones: files are written
weight by weight, not by the `save_pretrained` of the classes that read them later. The text encoders and the VAE are
tables of names below. The denoisers' names are those of diffusers' classes, under which they were published too;
test_published.py pins some of each.
"""

from .checkpoints import PUBLISHED, SDXL_TURBO, published, sdxl
from .files import Tensors, write_json
from .weights import ATTENTION, OLD_ATTENTION

__all__ = [
    "ATTENTION", "OLD_ATTENTION", "PUBLISHED", "SDXL_TURBO", "Tensors", "published", "sdxl", "write_json",
]  # fmt: skip
