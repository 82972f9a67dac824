"""Which prompt each image token listens to: boxes → token indices. Knows no model and no text."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..prompts.scene import Region

SCENE = 0


def owners(regions: Sequence[Region], *, rows: int, columns: int) -> Tensor:
    """Prompt index per token of a rows×columns grid: int64 (rows*columns,), row by row.

    0 is the scene prompt (what no region covers), i+1 is regions[i]. A token belongs to the box that holds its centre;
    where boxes overlap the highest `z_order` wins, among equals the later region (paper, section II-A).

    Raises ValueError if a region gets no token although it lies under no other: it is smaller than a token.
    """
    x = (torch.arange(columns, dtype=torch.float64) + 0.5) / columns
    y = (torch.arange(rows, dtype=torch.float64) + 0.5) / rows
    out = torch.full((rows, columns), SCENE, dtype=torch.long)
    for index, region in sorted(enumerate(regions), key=lambda pair: pair[1].z_order):
        box = region.box
        across, down = (x >= box.left) & (x < box.right), (y >= box.top) & (y < box.bottom)
        if not (across.any() and down.any()):
            raise ValueError(
                f"region {region.name!r} covers no latent token; at this size a box needs at least "
                f"{1 / columns:.3f} of the width and {1 / rows:.3f} of the height"
            )
        out[down[:, None] & across[None, :]] = index + 1
    return out.flatten()
