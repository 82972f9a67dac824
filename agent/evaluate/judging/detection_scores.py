"""How well found boxes fit asked ones: intersection over union, and COCO's average precision. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ....prompts.plan import Box

THRESHOLDS = tuple(0.5 + 0.05 * step for step in range(10))  # COCO's: 0.50, 0.55 … 0.95
RECALLS = 101  # points of the precision-recall curve, as in COCO's evaluation


@dataclass(frozen=True)
class Found:
    """A box that a detector found in a picture; `picture` identifies the picture."""

    picture: int
    label: str
    score: float
    box: Box


@dataclass(frozen=True)
class Wanted:
    """A box that a plan asks for."""

    picture: int
    label: str
    box: Box


def iou(first: Box, second: Box) -> float:
    """Intersection over union of two boxes."""
    both = first.overlap(second)
    return both / (first.area + second.area - both)


def average_precision(wanted: Sequence[Wanted], found: Sequence[Found], threshold: float) -> float:
    """COCO's AP of all labels together at one IoU threshold: the mean of the interpolated precision at 101 recalls.

    Found boxes are taken by falling score; each claims the unclaimed wanted box of its picture and label that it
    overlaps most. NaN if nothing is wanted.
    """
    if not wanted:
        return float("nan")
    claimed: set[int] = set()
    hits: list[bool] = []
    for each in sorted(found, key=lambda each: -each.score):
        rivals = [
            (iou(each.box, target.box), index)
            for index, target in enumerate(wanted)
            if (target.picture, target.label) == (each.picture, each.label) and index not in claimed
        ]
        best = max(rivals, default=(0.0, -1))
        hits.append(best[0] >= threshold)
        claimed |= {best[1]} if hits[-1] else set()
    precisions, recalls, right = list[float](), list[float](), 0
    for number, hit in enumerate(hits, start=1):
        right += hit
        precisions.append(right / number)
        recalls.append(right / len(wanted))
    for index in range(len(precisions) - 2, -1, -1):  # the best precision at this recall or a higher one
        precisions[index] = max(precisions[index], precisions[index + 1])
    points = [point / (RECALLS - 1) for point in range(RECALLS)]
    at = [next((p for p, r in zip(precisions, recalls, strict=True) if r >= point - 1e-9), 0.0) for point in points]
    return sum(at) / RECALLS


def coco_ap(wanted: Sequence[Wanted], found: Sequence[Found]) -> tuple[float, float]:
    """AP averaged over the thresholds 0.50 to 0.95, and AP at 0.50."""
    each = [average_precision(wanted, found, threshold) for threshold in THRESHOLDS]
    return sum(each) / len(each), each[0]
