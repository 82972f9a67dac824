"""What an edit changes: which tokens are drawn anew, and which pixels that can reach."""

import torch
from PIL import Image, ImageFilter
from torch import Tensor

from ..prompts.scene import ScenePlan
from .denoise import cells_of
from .masks import shares

# Latent cells beyond the drawn ones whose pixels an edit may change: 16 pixels, and 64 in Sana. The decoder's
# convolutions reach further in principle, and its group norms everywhere; `python -m benchmarks.controls` measures what
# arrives there.
REACH = 2


def changed_tokens(before: ScenePlan, after: ScenePlan, *, rows: int, columns: int, patch: int) -> Tensor:
    """Tokens that hear a changed region before or after, its feather included: bool (rows*columns,).

    Regions are told apart by their names; one that only one of the plans has is changed.
    Raises ValueError if there are none: the revision changes nothing that is seen.
    """
    old, new = ({region.name: region for region in plan.regions} for plan in (before, after))
    tokens = torch.zeros(rows * columns, dtype=torch.bool)
    for plan, other in ((before, new), (after, old)):
        heard = shares(plan.regions, rows=rows, columns=columns, patch=patch)
        changed = [i + 1 for i, region in enumerate(plan.regions) if other.get(region.name) != region]
        tokens |= heard[changed].sum(0) > 0
    if not tokens.any():
        raise ValueError("the revision changes nothing that is seen: name a visible region and give it something new")
    return tokens


def keep_pixels(before: Image.Image, after: Image.Image, drawn: Tensor, *, patch: int, cell: int = 8) -> Image.Image:
    """The edited picture, with the pixels of the old one wherever the drawn tokens, bool (n,), do not reach."""
    cells = cells_of(drawn, before.height // cell, before.width // cell, patch)
    mask = Image.fromarray(cells.numpy()).convert("L").filter(ImageFilter.MaxFilter(2 * REACH + 1))
    return Image.composite(after, before, mask.resize(before.size, Image.Resampling.NEAREST))
