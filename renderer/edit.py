"""What an edit changes: which tokens are drawn anew, and which pixels that can reach."""

from PIL import Image, ImageFilter
from torch import Tensor

from ..prompts.scene import ScenePlan
from .denoise import cells_of
from .masks import shares

# Latent cells beyond the drawn ones whose pixels an edit may change: 16 pixels. The decoder's convolutions reach
# further in principle, and its group norms everywhere; `python -m benchmarks.controls` measures what arrives there.
REACH = 2


def changed_tokens(before: ScenePlan, after: ScenePlan, *, rows: int, columns: int, patch: int) -> Tensor:
    """Tokens that hear a changed region before or after, its feather included: bool (rows*columns,).

    Raises ValueError if there are none: the revision changes nothing that is seen.
    """
    old, new = (shares(plan.regions, rows=rows, columns=columns, patch=patch) for plan in (before, after))
    regions = zip(before.regions, after.regions, strict=True)
    changed = [index + 1 for index, (was, becomes) in enumerate(regions) if was != becomes]
    tokens = (old[changed].sum(0) + new[changed].sum(0)) > 0
    if not tokens.any():
        raise ValueError("the revision changes nothing that is seen: name a visible region and give it something new")
    return tokens


def keep_pixels(before: Image.Image, after: Image.Image, drawn: Tensor, *, patch: int, cell: int = 8) -> Image.Image:
    """The edited picture, with the pixels of the old one wherever the drawn tokens, bool (n,), do not reach."""
    cells = cells_of(drawn, before.height // cell, before.width // cell, patch)
    mask = Image.fromarray(cells.numpy()).convert("L").filter(ImageFilter.MaxFilter(2 * REACH + 1))
    return Image.composite(after, before, mask.resize(before.size, Image.Resampling.NEAREST))
