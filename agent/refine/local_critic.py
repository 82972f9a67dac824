"""A critic without an API: a detector says what stands where, an image-text model what it looks like."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from math import exp
from typing import TYPE_CHECKING

from PIL import Image

from ...prompts.critique import Critique, RegionScore
from ...prompts.plan import Box, Region, ScenePlan
from ...prompts.prompt_style import place_of
from ...prompts.wording import caption

if TYPE_CHECKING:
    from ...renderer.detection import Detection, Detector, TextMatcher

DETECTOR = "google/owlv2-base-patch16-ensemble"  # Apache-2.0, 0.6 GB
MATCHER = "google/siglip2-base-patch16-224"  # Apache-2.0, 1.5 GB
PREFIX = "local"  # the critic's name: 'local', 'local:DETECTOR' or 'local:DETECTOR,MATCHER'
INSIDE = 0.5  # share of a found thing that lies in a region's box, from which it counts as there
CONFIDENT = 2.0  # times the detector's threshold: from there on a thing counts as present without doubt


class LocalCritic:
    """Judges each region by three questions, of which the weakest answer is the score.

    Is its subject found in its box? Is the crop more like its text than like those of the other regions? Does it look
    as its low level says, rather than just like its subject? Names of models, folders or hub names; loaded on first
    use. The rule is tested on boxes made by hand; its bounds are not measured on published weights.
    """

    def __init__(
        self, detector: "str | Detector | None" = None, matcher: "str | TextMatcher | None" = None,
        *, device: str | None = None,
    ) -> None:  # fmt: skip
        self._detector, self._matcher, self._device = detector, matcher, device

    @classmethod
    def named(cls, name: str, *, device: str | None = None) -> "LocalCritic":
        """From 'local', 'local:DETECTOR' or 'local:DETECTOR,MATCHER'. Raises ValueError for more than two models."""
        parts = [part.strip() for part in name.partition(":")[2].split(",")]
        if len(parts) > 2:
            raise ValueError(f"{name!r}: give local:DETECTOR,MATCHER with at most two models")
        return cls(*(part or None for part in parts), device=device)

    @staticmethod
    def is_here() -> bool:
        """Whether both default models are in the hub's cache; asks no server, imports no torch."""
        from ...renderer.checkpoints.files.hub import Hub, HubName

        return all(Hub().is_cached(HubName(name)) for name in (DETECTOR, MATCHER))

    @cached_property
    def detector(self) -> "Detector":
        """Raises ModelError."""
        from ...renderer.detection import Detector

        given = self._detector or DETECTOR
        return Detector.load(given, device=self._device) if isinstance(given, str) else given

    @cached_property
    def matcher(self) -> "TextMatcher":
        """Raises ModelError."""
        from ...renderer.detection import TextMatcher

        given = self._matcher or MATCHER
        return TextMatcher.load(given, device=self._device) if isinstance(given, str) else given

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        """A critique of an RGB picture. Raises ModelError if a model cannot be loaded."""
        if not plan.regions:
            return Critique(score=None, regions=[], summary="no regions: nothing can be judged")
        found = assigned(plan.regions, self.detector.detect(image, _unique(subject(r) for r in plan.regions)))
        texts = _unique(text for r in plan.regions for text in (caption(r.prompt), r.prompt.high_level))
        logits = self.matcher.match([cropped(image, region.box) for region in plan.regions], texts)
        scores = [
            region_score(
                region, found[region.name], dict(zip(texts, row, strict=True)),
                others=[other for other in plan.regions if other is not region],
                detector_threshold=self.detector.threshold,
            )
            for region, row in zip(plan.regions, logits, strict=True)
        ]  # fmt: skip
        right = sum(not score.problem for score in scores)
        mean = sum(score.score or 0.0 for score in scores) / len(scores)
        summary = f"{right} of {len(scores)} regions show what was asked"
        lettered = [repr(region.lettering) for region in plan.regions if region.lettering]
        summary += f"; whether {', '.join(lettered)} can be read is not judged" if lettered else ""
        return Critique(score=mean, regions=scores, summary=summary)


def subject(region: Region) -> str:
    """What a detector is asked for: the high level up to its first comma."""
    return region.prompt.high_level.partition(",")[0].strip() or region.name


def assigned(regions: Sequence[Region], detections: "Sequence[Detection]") -> "dict[str, list[Detection]]":
    """The detections of each region's subject, best first: those in its box, then those anywhere.

    A thing belongs to the box that holds most of it, so that one cat is not counted for two regions of cats.
    """
    found: dict[str, list[Detection]] = {region.name: [] for region in regions}
    for detection in detections:
        rivals = [region for region in regions if subject(region) == detection.label]
        if rivals:
            found[max(rivals, key=lambda region: detection.box.share_in(region.box)).name].append(detection)
    for region in regions:
        found[region.name].sort(key=lambda d: (d.box.share_in(region.box) < INSIDE, -d.score))
    return found


def region_score(
    region: Region, found: "Sequence[Detection]", logits: dict[str, float], *, others: Sequence[Region],
    detector_threshold: float,
) -> RegionScore:  # fmt: skip
    """The score of a region: the lowest of presence, subject and looks, each 0 to 1.

    found: detections of its subject, see `assigned`. logits: of its crop for the texts of all regions, whole and high
    level alone.
    """
    text, high = caption(region.prompt), region.prompt.high_level
    here = [detection for detection in found if detection.box.share_in(region.box) >= INSIDE]
    presence = min(1.0, here[0].score / (CONFIDENT * detector_threshold)) if here else 0.0
    # The subject's own two texts against those of regions with another subject.
    rivals = {caption(other.prompt) for other in others if other.prompt.high_level != high} - {text, high}
    chances = _softmax({name: logits[name] for name in {text, high} | rivals})
    same = sum(chances[name] for name in {text, high})
    twins = {caption(other.prompt) for other in others if other.prompt.high_level == high} - {text, high}
    looks = _softmax({name: logits[name] for name in {text, high} | twins})[text] if text != high or twins else 1.0
    if presence < 0.5:
        problem = f"no {subject(region)!r} found in its place"
        problem += f"; there is one at the {place_of(found[0].box)}" if found and not here else ""
    elif same < 0.5:
        problem = f"looks more like {max(rivals, key=lambda name: logits[name])!r}"
    elif looks < 0.5:
        problem = f"does not look {region.prompt.low_level!r}"
    else:
        problem = ""
    seen = max(chances, key=lambda name: chances[name]) if here or same < 0.5 else "nothing of it"
    score = min(presence, same, looks)
    return RegionScore(name=region.name, score=score, seen=seen, problem=problem)


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _softmax(logits: dict[str, float]) -> dict[str, float]:
    top = max(logits.values())
    weights = {name: exp(logit - top) for name, logit in logits.items()}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def cropped(image: Image.Image, box: Box) -> Image.Image:
    """A box of the picture, at least one pixel."""
    left, top = int(box.left * image.width), int(box.top * image.height)
    right, bottom = round(box.right * image.width), round(box.bottom * image.height)
    return image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
