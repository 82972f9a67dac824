"""The steps of a run: plan, render, critique and revise with the models of an agent. `loop.py` calls them in order."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from PIL import Image

from ...prompts.critique import Critique
from ...prompts.errors import RunError, visible
from ...prompts.plan import ScenePlan
from ...prompts.revision import Revision
from ...renderer.pictures.artifacts import copy_result, open_image, read_request, read_result, write_result
from ...renderer.pictures.file_ref import path_inside
from ...renderer.request import OnStep, RenderRequest, RenderResult, Step, candidate_seed
from ...tools.jobs.device_lock import drawing_on
from ...tools.jobs.engine import JobContext
from ..events import Event
from ..models import Models
from ..refine.edit_critique import JudgedPicture, compare_pictures
from ..refine.model_reviser import Try
from ..refine.reviser import revise
from ..settings import Settings
from .entry import Entry
from .folder import RunRecord, log_event
from .resume_policy import foreign_controls


@dataclass
class RunSteps:
    """The steps over one run's folder: of a brief, or of an edit of the finished picture that its record names.

    `size`: of a picture whose plan names none, in pixels. `request_for`: a plan's render request. `context`: of the job
    that runs it. `warnings` are added to those of every picture.
    """

    folder: Path
    record: RunRecord
    models: Models
    settings: Settings
    size: tuple[int, int]
    request_for: Callable[[ScenePlan], RenderRequest]
    context: JobContext
    warnings: Sequence[str] = ()

    @cached_property
    def _base(self) -> RenderRequest | None:
        """The request of the picture that the run edits."""
        return self._agreed(read_request(self.record.base)) if self.record.base else None

    def _agreed(self, request: RenderRequest) -> RenderRequest:
        """A request from a file, which may come from a stranger. Raises RunError if it loads something that nobody
        agreed to."""
        if names := foreign_controls(request, self.models.controls):
            options = shlex.join(word for name in names for word in ("--control", visible(name)))
            raise RunError(f"{self.folder} asks for what is not yours to be loaded. To agree, add {options}")
        return request

    def emit(self, event: Event) -> None:
        """Reports an event, and logs it in the run's folder."""
        log_event(self.folder, event)
        self.context.emit(event)

    def plan(self, brief: str) -> ScenePlan:
        self.context.raise_if_stopped()
        return self.models.plan(brief, self.settings).with_size(*self.size)

    def render(
        self, plan: ScenePlan, best: Entry | None, paths: Sequence[Path], *, number: int, reason: str
    ) -> list[RenderResult]:
        """Draws the plan once per path, as round `number`, and writes the files.

        The first round of a brief draws everything, later ones only what differs from the best round. A run that edits
        a picture draws each round into that picture, so that no round inherits what another one spoilt.
        """

        def step(progress: Step) -> None:
            self.context.on_step(progress, number)

        with drawing_on(self.models.renderer.device, self.context):
            if self._base and self.record.base:
                results = self._edits(with_edit(self._base, plan, reason=reason), self.record.base, len(paths), step)
            elif best:
                picture = path_inside(self.folder, best.path)
                results = self._edits(with_edit(best.request, plan, reason=reason), picture, len(paths), step)
            else:
                results = [*self.models.renderer.candidates(self.request_for(plan), len(paths), step)]
        results = [self._with_warnings(result) for result in results]
        for path, result in zip(paths, results, strict=True):
            write_result(path, result)
        return results

    def _with_warnings(self, result: RenderResult) -> RenderResult:
        """The result with the run's own warnings before its own: also of what a revision took away of the brief's plan
        without parts in its place."""
        left = {region.name for region in result.request.edited_plan.regions}
        edits = [] if self._base else result.request.edits
        gone = [
            f"{name!r} was taken out of the picture: {edit.reason}"
            for edit in edits if not edit.added for name in edit.removed if name not in left
        ]  # fmt: skip
        return replace(result, warnings=tuple(dict.fromkeys([*self.warnings, *gone, *result.warnings])))

    def _edits(self, request: RenderRequest, picture: Path, count: int, on_step: OnStep) -> list[RenderResult]:
        """The request's last edit drawn into a finished picture `count` times, from the second on with other seeds."""
        base, results = read_result(picture), []
        self._agreed(base if isinstance(base, RenderRequest) else base.request)
        for number in range(count):

            def step(progress: Step, first: int = number) -> None:  # counted over all pictures
                index, total = first * progress.total + progress.index, count * progress.total
                on_step(replace(progress, index=index, total=total))

            results.append(self.models.renderer.edit(base, _candidate_edit(request, number), step))
        return results

    def base_entry(self) -> Entry | None:
        """The picture that the run edits, copied into its folder and judged unless the record has its critique."""
        if not (self._base and self.record.base):
            return None
        critique = self.record.judged
        if critique is None:
            critique = self._judge(open_image(self.record.base), self._base.edited_plan)
        path = "round-0/candidate-1.png"
        copy_result(self.record.base, self.folder / path)
        return Entry(request=self._base, path=path, critique=critique)

    def critique(self, entry: Entry, base: Entry | None) -> Entry:
        """The entry with its critique, and with its comparison if there is a base."""
        path = path_inside(self.folder, entry.path)
        entry = entry.model_copy(update={"critique": self._judge(open_image(path), entry.plan)})
        if base is None:
            return entry
        self.context.raise_if_stopped()
        comparison = compare_pictures(
            JudgedPicture(open_image(path_inside(self.folder, base.path)), base.plan, base.critique),
            JudgedPicture(open_image(path), entry.plan, entry.critique), self._judge, threshold=self.settings.threshold,
        )  # fmt: skip
        return entry.model_copy(update={"comparison": comparison})

    def _judge(self, image: Image.Image, plan: ScenePlan) -> Critique | None:
        critic = self.models.critic
        if critic is None:
            return None
        self.context.raise_if_stopped()
        return critic.critique(image, plan)

    def revise(self, best: Entry, rounds: list[Entry]) -> Revision | None:
        """The revision of what is weak and visible. Regions that an edit does not name stay, however weak; if one of
        them got worse, the edited regions are drawn from other noise."""
        from ...renderer.regions.region_masks import visible_regions

        assert best.critique
        self.context.raise_if_stopped()
        token, plan = self.models.renderer.token, best.plan
        candidates, spoiling = visible_regions(plan, token=token), list[str]()
        if self._base:
            candidates &= set(best.request.edits[-1].names)
            worse = {drop.name for drop in best.comparison.lost} if best.comparison else set()
            spoiling = [region.name for region in plan.regions if worse - candidates and region.name in candidates]
        origin = self._base.model_dump_json() if self._base else str(self.settings.seed)
        before = [self._base.edited_plan] if self._base else []
        if self.models.reviser:
            tries = [Try(plan, None) for plan in [*before, *self.record.tried]]
            return self.models.reviser.revise(
                Try(plan, best.critique), [*tries, *(Try(entry.plan, entry.critique) for entry in rounds)],
                threshold=self.settings.threshold, token=token, origin=origin, spoiling=spoiling,
                only=candidates if self._base else None,
            )  # fmt: skip
        scores = [score for score in best.critique.regions if score.name in candidates]
        return revise(
            plan, best.critique.model_copy(update={"regions": scores}), round_number=len(rounds),
            threshold=self.settings.threshold, origin=origin, spoiling=spoiling,
            tried=[*before, *(entry.plan for entry in rounds), *self.record.tried],
        )  # fmt: skip


def with_edit(request: RenderRequest, plan: ScenePlan, *, reason: str = "") -> RenderRequest:
    """The request that draws a plan into the finished picture of another request; `reason`: why, in a sentence.

    Raises ValueError if nothing differs, or something that no revision can change.
    """
    revision = Revision.between(request.edited_plan, plan, reason=reason)
    if revision is None:
        raise ValueError("nothing to change: the picture shows this plan already")
    return request.model_copy(update={"edits": [*request.edits, revision]})


def _candidate_edit(request: RenderRequest, number: int) -> Revision:
    """The request's last edit for candidate `number`; from 1 on its regions get seeds of their own."""
    edit = request.edits[-1]
    if not number:
        return edit
    plan = request.edited_plan

    def seed(name: str) -> int:
        own = plan.region(name).seed
        return candidate_seed(request.seed if own is None else own, number)

    changes = [change.model_copy(update={"seed": seed(change.name)}) for change in edit.changes]
    added = [region.model_copy(update={"seed": seed(region.name)}) for region in edit.added]
    return edit.model_copy(update={"changes": changes, "added": added})
