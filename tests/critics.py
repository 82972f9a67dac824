"""Critics with fixed verdicts."""

from PIL import Image

from ditpipe import ScenePlan
from ditpipe.prompts.critique import Critique, RegionScore


class Verdicts:
    """A critic that gives every region the next score of a list; `fail_at` raises on that call."""

    def __init__(self, *scores: float, fail_at: int | None = None) -> None:
        self.scores, self.calls, self.fail_at = list(scores), 0, fail_at

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        score = self.scores.pop(0)
        scores = [
            RegionScore(name=region.name, score=score, seen="?", problem="" if score > 0.5 else "?")
            for region in plan.regions
        ]
        return Critique(score=score, regions=scores)


class ByRegion:
    """A critic that gives each region the next score of its list, and the last one from then on."""

    def __init__(self, **scores: list[float]) -> None:
        self.scores = {name.replace("_", " "): scores for name, scores in scores.items()}

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        regions = []
        for region in plan.regions:
            row = self.scores[region.name]
            regions.append(RegionScore(name=region.name, score=row.pop(0) if len(row) > 1 else row[0], seen="?"))
        return Critique(score=sum(one.score or 0 for one in regions) / len(regions), regions=regions)


class Blind:
    """A critic that judges only the regions that it is told; its score is the mean of those."""

    def __init__(self, **scores: float) -> None:
        self.scores = {name.replace("_", " "): score for name, score in scores.items()}

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        regions = [
            RegionScore(name=r.name, score=self.scores.get(r.name), seen="?", problem="cannot judge it")
            for r in plan.regions
        ]
        judged = list(self.scores.values())
        return Critique(score=sum(judged) / len(judged) if judged else None, regions=regions)
