"""The agent: brief in, picture out. One object for all calls: paint, stream, resume, and their async forms."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

from ..prompts.critique import Critique
from ..prompts.errors import RunError
from ..prompts.plan import MAX_BRIEF, ScenePlan
from ..renderer.checkpoints.registry import Checkpoint, absolute_name
from ..renderer.checkpoints.vocabulary import Vocabulary
from ..renderer.pictures.artifacts import read_request
from ..renderer.regions.prompt_schedule import schedule_of
from ..renderer.request import RenderRequest, RenderResult
from ..tools.jobs.engine import Job, JobContext
from ..tools.jobs.in_process import InProcessEngine
from .events import Event, Finished, Painting, Waiting
from .models import Models, picture_size
from .planning.planner import Planner
from .refine.critic import Critic, rank_candidates
from .refine.reviser import with_unused_seeds
from .render_options import saving
from .runs.folder import RunInputs, RunRecord, check_links, locked, new_folder, record_of, run_record, write_record
from .runs.resume_policy import resume_command
from .runs.runner import run
from .runs.steps import RunSteps, with_edit
from .settings import Settings

if TYPE_CHECKING:
    from ..renderer.request import PictureRenderer

RUN = "run"  # the kind of job that runs the loop over a folder


class Agent:
    """Draws briefs. Options are those of `Settings`; planner, critic (or their names) and renderer may be given.

    >>> Agent(rounds=1).paint("a red cat on the left and a blue rocket on the right, at night").path
    """

    notes: Sequence[str] = ()  # warnings for every picture

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        planner: Planner | str | None = None,
        critic: Critic | str | None = None,
        renderer: "PictureRenderer | None" = None,
        controls: Sequence[str] = (),
        **options: Any,
    ) -> None:
        """controls: ControlNets that a picture which is edited may have loaded, beside the published ones.

        Raises pydantic's ValidationError (a ValueError) for an unknown or impossible option; ValueError for a device or
        a model beside a renderer that has another one.
        """
        if renderer:
            _check_beside(renderer, options)
        base = settings.model_dump() if settings else {}
        options |= {"planner": planner} if isinstance(planner, str) else {}
        options |= {"critic": critic} if isinstance(critic, str) else {}
        self.settings = Settings(**(base | options))
        schedule_of(self.settings.prompt_schedule)
        self.models = Models(
            self.settings,
            planner=None if isinstance(planner, str) else planner,
            critic=None if isinstance(critic, str) else critic,
            renderer=renderer,
            controls=controls,
        )
        self.settings = self.settings.model_copy(update={"model": self.model})  # recorded with each run
        self._jobs = self._engine()

    def _engine(self) -> InProcessEngine:
        return InProcessEngine(self.settings.out, {RUN: self._run_job})

    @property
    def model(self) -> str:
        """The name of the image model."""
        return self.models.image_model

    @property
    def checkpoint(self) -> Checkpoint:
        """The image model's row of the registry."""
        return self.models.checkpoint

    @property
    def planner(self) -> Planner:
        return self.models.planner

    @property
    def planner_name(self) -> str:
        """The planner that 'auto' resolves to, or the one named by the settings."""
        return self.models.planner_name

    @property
    def critic(self) -> Critic | None:
        return self.models.critic

    @property
    def renderer(self) -> "PictureRenderer":
        """The renderer. Its first use imports torch; its first picture loads the weights."""
        return self.models.renderer

    def warm_up(self) -> None:
        """Loads planner and image model in parallel. Errors are raised again on first use."""
        self.models.warm_up()

    def load_torch(self) -> None:
        """Imports torch in a thread, without the weights, while a planner works. Errors are raised on first use."""
        self.models.load_torch()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of a picture whose plan names no size."""
        return picture_size(self.settings, self.checkpoint)

    def size_of(self, aspect: str) -> tuple[int, int]:
        """Width and height in pixels of a picture of that shape, '16:9'."""
        size = None if isinstance(self.settings.size, str) else self.settings.size
        return picture_size(self.settings.model_copy(update={"size": size, "aspect": aspect}), self.checkpoint)

    def with_settings(self, **options: Any) -> "Agent":
        """An agent that shares this one's models, under other settings and with jobs of its own."""
        settings = Settings(**(self.settings.model_dump() | options))
        schedule_of(settings.prompt_schedule)
        other = copy(self)
        other.settings = settings.model_copy(update={"model": self.model})
        other._jobs = other._engine()
        return other

    @property
    def vocabulary(self) -> Vocabulary | None:
        """What the image model was trained to draw; None if its checkpoint declares no limit."""
        return self.models.vocabulary

    @property
    def vocabulary_summary(self) -> str:
        """The vocabulary in words, for people and LLMs; empty without one."""
        return self.vocabulary.summary if self.vocabulary else ""

    def plan(self, brief: str) -> ScenePlan:
        """The planner's plan of a brief, without drawing; its notes list what of the brief it omits or changes.

        Raises ValueError for an unusable brief, DitpipeError for every other fault.
        """
        return self.models.plan(brief, self.settings)

    @property
    def no_critic_reason(self) -> str:
        """Why this agent has no critic, in one line; empty if it has one or the settings name none."""
        if self.settings.critic != "auto" or self.critic:
            return ""
        return (
            f"pictures of {self.model} are not judged, and nothing is drawn again: the embedded critic knows "
            "the pocket model's world only; name a critic: local (a detector and an image-text model, fetched once) "
            "or a vision model"
        )

    @property
    def unused_settings(self) -> list[str]:
        """Warnings about settings that have no effect beside the others."""
        names = [name for name in ("rounds", "threshold") if self.settings.is_chosen(name)]
        unranked = self.settings.candidates > 1 and self.critic is None
        warnings = ["candidates: the first one is taken, for nobody judges the pictures"] if unranked else []
        if self.settings.rounds == 1:  # nothing is drawn again, whatever its score
            return [*warnings, *(["threshold: not used, for there is one round"] if "threshold" in names else [])]
        names = names if self.critic is None else []
        return [*warnings, *(f"{name}: not used, for nobody judges the pictures" for name in names)]

    def request(self, plan: ScenePlan) -> RenderRequest:
        """The render request for a plan under this agent's settings."""
        chosen = self.settings
        return RenderRequest(
            plan=plan.with_size(*self.size), model=self.model, seed=chosen.picture_seed(),
            steps=chosen.steps, guidance_scale=chosen.guidance_scale, solver=chosen.solver,
            prompt_schedule=schedule_of(chosen.prompt_schedule), save_memory=saving(chosen.save_memory),
            step_cache=chosen.step_cache, compile=chosen.compile, dtype=chosen.chosen_dtype,
        )  # fmt: skip

    def rank_candidates(self, results: list[RenderResult]) -> list[tuple[RenderResult, Critique | None]]:
        """Candidates of one plan with this agent's critique of each, best first."""
        return rank_candidates(results, self.critic)

    def paint(self, brief: str, *, folder: Path | None = None, **inputs: Unpack[RunInputs]) -> Painting:
        """Runs the loop on a brief: plan, render, critique, revise.

        Raises ValueError for an unusable brief, DitpipeError for every other fault.
        """
        return _last(self.stream(brief, folder=folder, **inputs), self.settings)

    def stream(
        self, brief: str, *, folder: Path | None = None, previews: int = 0, **inputs: Unpack[RunInputs]
    ) -> Iterator[Event]:
        """As `paint`, yielding typed events; the last one is `Finished`, or `Waiting` under the setting `approve`.

        The run is a job that begins with the first event that is read. It ends at its next step if the reader leaves
        early, or by `stop`, after which it raises `JobCancelled`. `previews`: pictures that each round's `Stepped`
        events bring.

        With `base`, a finished picture of ditpipe's, only the regions in which `plan` differs from it are drawn, and
        if every round is worse than it, the painting's best is `base` itself (see `edit_review`). `judged`: the
        critique of `base`; without it the critic judges it. `tried`: plans that were drawn into it and rejected; if
        `plan` is among them, its changed regions get new seeds.
        """
        return self.resume(self.begin(brief, folder=folder, **inputs), previews=previews)

    def begin(self, brief: str, *, folder: Path | None = None, **inputs: Unpack[RunInputs]) -> Path:
        """The folder of a new run, for `resume` to draw; arguments and errors are those of `stream`."""
        record = self.record(brief, **inputs)
        if folder is None:
            return new_folder(self.settings.out, record)
        write_record(folder, record)
        return folder

    def record(self, brief: str, **inputs: Unpack[RunInputs]) -> RunRecord:
        """The record of a new run; arguments and errors are those of `stream`."""
        plan, base, tried = inputs.get("plan"), inputs.get("base"), inputs.get("tried", ())
        if base and not plan:
            raise ValueError("a picture is changed by a plan: give `plan` beside `base`")
        if not brief.strip():
            raise ValueError("the brief is empty; say what the picture should show")
        if len(brief) > MAX_BRIEF:
            raise ValueError(f"the brief has {len(brief):,} characters; at most {MAX_BRIEF:,} are read")
        if base and plan and plan in tried:
            inputs["plan"] = with_unused_seeds(plan, with_edit(read_request(base), plan).edits[-1].names, tried)
        return record_of(brief, self.settings, **inputs)

    def resume(self, folder: Path, *, approved: bool | ScenePlan = False, previews: int = 0) -> Iterator[Event]:
        """Resumes a killed run from its last finished node, or one whose plan waits for approval.

        `approved`: True, or the changed plan to draw; without it a waiting run yields `Waiting` again. Brief, plan and
        base are the folder's; all settings are this agent's. Raises RunError if the folder holds no run, or is being
        drawn already. Faults of a planner or the disk are a DitpipeError whose `resume` is the command that goes on. A
        critic or a reviser that fails once a picture is drawn ends the run with it, see `Painting.halted`.
        """
        check_links(folder)
        return cast("Iterator[Event]", self._jobs.run(RUN, _payload(folder, approved), previews=previews))

    def submit(self, folder: Path, *, approved: bool | ScenePlan = False) -> Job:
        """`resume`, at once and in the background: a job for `events_of`."""
        check_links(folder)
        return self._jobs.submit(RUN, _payload(folder, approved))

    def events_of(self, job: Job) -> Iterator[Event]:
        """The events of a job from `submit`, as `resume` yields them."""
        return cast("Iterator[Event]", self._jobs.read(job))

    def stop(self) -> None:
        """Ends what this agent draws now at its next node or denoising step, from any thread."""
        for job in self._jobs.recent():
            self._jobs.cancel(job.id)

    async def apaint(self, brief: str, *, folder: Path | None = None, **inputs: Unpack[RunInputs]) -> Painting:
        """`paint`, without blocking the event loop; cancelling it stops the run at its next step."""
        events = self.astream(brief, folder=folder, **inputs)
        return _last([event async for event in events if isinstance(event, Finished | Waiting)], self.settings)

    async def astream(
        self, brief: str, *, folder: Path | None = None, previews: int = 0, **inputs: Unpack[RunInputs]
    ) -> AsyncIterator[Event]:
        """`stream`, without blocking the event loop; leaving the loop early stops the run at its next step."""
        payload = _payload(self.begin(brief, folder=folder, **inputs))
        async with aclosing(self._jobs.arun(RUN, payload, previews=previews)) as events:
            async for event in events:
                yield cast(Event, event)

    def run(self, folder: Path, context: JobContext, *, approved: bool | ScenePlan = False) -> Finished | Waiting:
        """What `resume` does, here and now as a part of the job of that context; returns the last event."""
        check_links(folder)
        record, painter = run_record(folder), self
        if self.settings.seed == "random":
            painter = self.with_settings(seed=record.settings.get("seed", 0))
        steps = RunSteps(
            folder, record, self.models, painter.settings, size=self.size, request_for=painter.request, context=context,
            warnings=[*self.unused_settings, *self.notes],
        )  # fmt: skip
        with locked(folder):
            return run(steps, approved)

    def _run_job(self, payload: dict[str, Any], context: JobContext) -> None:
        approved = payload["approved"]
        approved = ScenePlan.model_validate(approved) if isinstance(approved, dict) else approved
        self.run(Path(payload["folder"]), context, approved=approved)


def _check_beside(renderer: "PictureRenderer", options: Mapping[str, Any]) -> None:
    """Raises ValueError for options that a renderer has of its own."""
    device, model = options.get("device") or "auto", options.get("model")
    if device != "auto" and renderer.device.partition(":")[0] != device and renderer.device != device:
        raise ValueError(f"device {device!r}: the given renderer draws on {renderer.device!r}; load it on that device")
    if model and renderer.model not in (model, absolute_name(model)):
        raise ValueError(f"model {model!r}: the given renderer draws with {renderer.model!r}; leave the model out")


def _payload(folder: Path, approved: bool | ScenePlan = False) -> dict[str, Any]:
    """The input of the job `RUN`, as JSON."""
    answer = approved.model_dump(mode="json") if isinstance(approved, ScenePlan) else approved
    return {"folder": str(folder), "approved": answer}


def _last(events: Iterable[Event], settings: Settings) -> Painting:
    """The painting of the last event. Raises RunError if the plan waits for approval."""
    painting = None
    for event in events:
        painting = event.painting if isinstance(event, Finished) else painting
        if isinstance(event, Waiting):
            command = resume_command(event.folder, settings)
            raise RunError(f"the plan waits for a yes: {command} --yes, or Agent.resume(…)")
    assert painting is not None
    return painting
