"""The box that owns each image token, without torch: the rule of `renderer/regions/region_masks.py` for plain boxes.

A token belongs to the frontmost box that contains its centre.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import chain

from ..plan import Box, Region

TOKEN = 16  # pixels a side of an image token in most models
SCENE = -1  # owner of a token that no box holds


def span(start: float, end: float, count: int) -> range:
    """The tokens, of `count` along an axis, whose centres lie in [start, end) of it."""
    centres = [(index + 0.5) / count for index in range(count)]
    return range(bisect_left(centres, start), bisect_left(centres, end))


def token_owners(boxes: Sequence[Box], *, order: Sequence[int], rows: int, columns: int) -> list[list[int]]:
    """The index of the box that owns each token, rows×columns; `order`: indices of the boxes, from the back."""
    owners = [[SCENE] * columns for _ in range(rows)]
    for index in order:
        box = boxes[index]
        across = span(box.left, box.right, columns)
        for row in span(box.top, box.bottom, rows):
            owners[row][across.start : across.stop] = [index] * len(across)
    return owners


def owned_tokens(boxes: Sequence[Box], *, order: Sequence[int], rows: int, columns: int) -> list[int]:
    """How many tokens each box owns, see `token_owners`."""
    counts = [0] * (len(boxes) + 1)
    for owner in chain.from_iterable(token_owners(boxes, order=order, rows=rows, columns=columns)):
        counts[owner] += 1  # the scene's are the last
    return counts[:-1]


def order_of(z_orders: Sequence[int]) -> list[int]:
    """Indices of regions from the back: by z_order, among equals the later one in front."""
    return sorted(range(len(z_orders)), key=lambda index: z_orders[index])


def tokens_by_name(regions: Sequence[Region], *, rows: int, columns: int) -> dict[str, int]:
    """How many tokens each region owns, by name."""
    order = order_of([region.z_order for region in regions])
    counts = owned_tokens([region.box for region in regions], order=order, rows=rows, columns=columns)
    return dict(zip([region.name for region in regions], counts, strict=True))
