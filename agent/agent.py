"""The agent: brief in, picture out. Wires models, tools and the loop together, and keeps each run in a folder."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..prompts.critique import Critique
from ..prompts.errors import CritiqueError, DitpipeError, PlanningError, RenderError, RunError
from ..prompts.notation import notation_warning
from ..prompts.plan import MAX_BRIEF, MAX_SIDE, ScenePlan
from ..prompts.revision import Revision
from ..renderer.checkpoints.fast_import import without_gc
from ..renderer.checkpoints.registry import Checkpoint, checkpoint
from ..renderer.checkpoints.vocabulary import Vocabulary, vocabulary_of
from ..renderer.pictures.artifacts import add_warnings, copy_result, open_image, read_request, write
from ..renderer.pictures.file_ref import path_inside
from ..renderer.regions.prompt_schedule import preset
from ..renderer.request import OnStep, RenderRequest, RenderResult, Step
from .critic import Critic, EmbeddedCritic, VisionCritic, rank_candidates, revise, with_unused_seeds
from .edit_review import Comparison, compare_edit, removed_regions
from .events import Candidate, Event, Finished, Painting, Round, Waiting, comparison_of, shown_in
from .llm.chat_models import chat_model
from .llm.local_models import LOCAL_MODELS, best_planner
from .planner import Planner
from .render_options import saving
from .runs.folder import RunRecord, check_links, log_event, new_folder, record_of, run_record, write_record
from .runs.resume_policy import resume_command
from .settings import Settings

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from ..renderer.pipeline import Renderer


class Agent:
    """Paints briefs. Options are those of `Settings`; planner, critic (or their names) and renderer may be handed in.

    >>> Agent(rounds=1).paint("a red cat on the left and a blue rocket on the right, at night").path
    """

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        planner: Planner | str | None = None,
        critic: Critic | str | None = None,
        renderer: "Renderer | None" = None,
        **options: Any,
    ) -> None:
        """Raises pydantic's ValidationError (a ValueError) for an unknown or impossible option."""
        base = settings.model_dump() if settings else {}
        options |= {"planner": planner} if isinstance(planner, str) else {}
        options |= {"critic": critic} if isinstance(critic, str) else {}
        self.settings = Settings(**(base | options))
        preset(self.settings.depth)
        # What the pictures are drawn with, known before anything is loaded.
        self.model = renderer.model if renderer else self.settings.model
        self.settings = self.settings.model_copy(update={"model": self.model})  # as the records of runs have it
        self.checkpoint: Checkpoint = renderer.checkpoint if renderer else checkpoint(self.model)
        self._renderer, self._lock = renderer, threading.Lock()
        self._planner = None if isinstance(planner, str) else planner
        self._critic = None if isinstance(critic, str) else critic
        self._models: Agent = self  # whose planner and critic are used
        # Set it to end a run at its next node or denoising step, with KeyboardInterrupt. A run that begins clears it.
        self.stop = threading.Event()

    @property
    def size(self) -> int:
        """Pixels a side of a picture whose plan names no size."""
        return self.settings.size or min(self.checkpoint.size, MAX_SIDE)

    def with_settings(self, **options: Any) -> "Agent":
        """An agent with the same models, loaded once for both, under other settings, and with a `stop` of its own."""
        other = Agent(settings=self.settings, renderer=self._renderer, **options)
        other._models, other.model, other.checkpoint = self._models, self.model, self.checkpoint
        return other

    @property
    def vocabulary(self) -> Vocabulary | None:
        """What the image model was trained to draw, None if it does not say: then it is not limited here."""
        return vocabulary_of(self.checkpoint)

    @property
    def vocabulary_summary(self) -> str:
        """The same in words for people and models; empty without a vocabulary."""
        return self.vocabulary.summary if self.vocabulary else ""

    def omissions(self, brief: str, plan: ScenePlan) -> list[str]:
        """What a plan left out of its brief, as far as the image model's vocabulary tells; one line or none."""
        return self.vocabulary.omission_warnings(brief, plan) if self.vocabulary else []

    @property
    def renderer(self) -> "Renderer":
        """What draws; torch is loaded here, on first use, and the model's weights with the first picture."""
        if self._models is not self:
            return self._models.renderer
        with without_gc():
            from ..renderer.pipeline import Renderer

        with self._lock:
            self._renderer = self._renderer or Renderer(self.model)
            return self._renderer

    def warm_up(self) -> None:
        """Loads the planner and the image model, at the same time; what is wrong with one is said when it is needed."""

        def plans() -> None:
            with suppress(Exception):
                _ = self.planner

        thread = threading.Thread(target=plans, name="loads-planner", daemon=True)
        thread.start()
        with suppress(Exception):
            _ = self.renderer.pipe
        thread.join()

    def load_torch(self) -> None:
        """Begins to load what draws in a thread, without the weights: a planner answers meanwhile."""

        def loads() -> None:
            with suppress(Exception):  # raised again, and said, where something is to be drawn
                _ = self.renderer

        threading.Thread(target=loads, name="loads-torch").start()

    @cached_property
    def planner(self) -> Planner:
        if self._models is not self:
            return self._models.planner
        if self._planner:
            return self._planner
        return Planner(self._chat(self.planner_name), width=self.size, height=self.size)

    @cached_property
    def planner_name(self) -> str:
        """The planner that 'auto' stands for, or the one that was asked for."""
        return best_planner() if self.settings.planner == "auto" else self.settings.planner

    @cached_property
    def critic(self) -> Critic | None:
        if self._models is not self:
            return self._models.critic
        name = self.settings.critic
        if name == "auto":  # the embedded critic learnt the pocket model's world, and can judge no other
            name = "embedded" if self.model == "pocket" else "none"
        if self._critic or name == "none":
            return self._critic
        return EmbeddedCritic() if name == "embedded" else VisionCritic(self._chat(name))

    @property
    def no_critic_reason(self) -> str:
        """Why nobody judges this agent's pictures, in one line; empty if somebody does or nobody was wanted."""
        if self.settings.critic != "auto" or self.critic:
            return ""
        return (
            f"pictures of {self.model} are not judged, and nothing is drawn again: the embedded critic knows "
            "the pocket model's world only; name a vision model as the critic"
        )

    @property
    def unused_settings(self) -> list[str]:
        """The settings that cannot act beside the others, in a line each."""
        names = [name for name in ("rounds", "accept") if self.settings.is_chosen(name)]
        if self.settings.rounds == 1:  # nothing is drawn again, whatever its score
            return ["accept: not used, for there is one round"] if "accept" in names else []
        return [f"{name}: not used, for nobody judges the pictures" for name in names if self.critic is None]

    def _chat(self, name: str) -> Any:
        key = self.settings.api_key
        base_url = None if name in LOCAL_MODELS else self.settings.base_url
        return chat_model(name, base_url=base_url, api_key=key.get_secret_value() if key else None)

    def request(self, plan: ScenePlan) -> RenderRequest:
        """The render request for a plan under this agent's settings."""
        chosen = self.settings
        return RenderRequest(
            plan=plan.with_size(self.size, self.size), model=self.model, seed=chosen.seed,
            steps=chosen.steps, guidance_scale=chosen.guidance_scale, solver=chosen.solver,
            depth=preset(chosen.depth), save=saving(chosen.save), step_cache=chosen.step_cache, compile=chosen.compile,
        )  # fmt: skip

    def rank_candidates(self, results: list[RenderResult]) -> list[tuple[RenderResult, Critique | None]]:
        """Candidates of one plan with this agent's critique of each, best first."""
        return rank_candidates(results, self.critic)

    def paint(self, brief: str, *, plan: ScenePlan | None = None, folder: Path | None = None) -> Painting:
        """Plans, draws, criticises and mends a brief. Raises ValueError for an unusable brief, else DitpipeError."""
        return _last(self.stream(brief, plan=plan, folder=folder), self.settings)

    def stream(
        self,
        brief: str,
        *,
        plan: ScenePlan | None = None,
        base: Path | None = None,
        folder: Path | None = None,
        judged: Critique | None = None,
        tried: Sequence[ScenePlan] = (),
    ) -> Iterator[Event]:
        """As `paint`, yielding typed events; the last one is `Finished`, or `Waiting` under the setting `approve`.

        With `base`, a finished picture of ditpipe's, only the regions in which `plan` differs from it are drawn, and
        if every round is worse than it, the painting's best is `base` itself (see `comparing`). `judged`: what this
        agent's critic said of `base`, which else is asked. `tried`: plans that were drawn into it and not taken; if
        `plan` is one of them, what changes is drawn from other noise.
        """
        self.stop.clear()  # now, and not when the first event is read: a stop may come before that
        run = self.begin(brief, plan=plan, base=base, folder=folder, judged=judged, tried=tried)
        return self._run(run, lambda: self.stop.is_set())

    def begin(
        self,
        brief: str,
        *,
        plan: ScenePlan | None = None,
        base: Path | None = None,
        folder: Path | None = None,
        judged: Critique | None = None,
        tried: Sequence[ScenePlan] = (),
    ) -> Path:
        """The folder of a new run, for `resume` to draw; arguments and errors are those of `stream`."""
        if base and not plan:
            raise ValueError("a picture is changed by a plan: give `plan` beside `base`")
        if not brief.strip():
            raise ValueError("the brief is empty; say what the picture should show")
        if len(brief) > MAX_BRIEF:
            raise ValueError(f"the brief has {len(brief):,} characters; at most {MAX_BRIEF:,} are read")
        if base and plan and plan in tried:
            plan = with_unused_seeds(plan, _edit(read_request(base), plan).edits[-1].names, tried)
        record = record_of(brief, self.settings, plan=plan, base=base, judged=judged, tried=tried)
        if folder is None:
            return new_folder(self.settings.out, record)
        write_record(folder, record)
        return folder

    def resume(self, folder: Path, *, approved: bool | ScenePlan = False) -> Iterator[Event]:
        """Goes on with a killed run from its last finished node, or with one whose plan waits for a yes.

        `approved`: True, or the changed plan to draw; without it a waiting run only says again what it waits for.
        Its brief, plan and base are the folder's; all settings are this agent's. Raises RunError if there is nothing to
        go on from. What a planner, a critic or the disk could not do is a DitpipeError whose `resume` names the folder.
        """
        self.stop.clear()  # as in `stream`
        check_links(folder)
        return self._run(folder, lambda: self.stop.is_set(), approved)

    async def apaint(self, brief: str, *, plan: ScenePlan | None = None, folder: Path | None = None) -> Painting:
        """`paint`, without blocking the event loop; cancelling it stops the run at its next step."""
        events = self.astream(brief, plan=plan, folder=folder)
        return _last([event async for event in events if isinstance(event, Finished | Waiting)], self.settings)

    async def astream(
        self, brief: str, *, plan: ScenePlan | None = None, folder: Path | None = None
    ) -> AsyncIterator[Event]:
        """`stream`, without blocking the event loop; leaving the loop early stops the run at its next step."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[Event | BaseException | None]()
        left = threading.Event()
        self.stop.clear()

        def work() -> None:
            last: BaseException | None = None
            try:
                run = self.begin(brief, plan=plan, folder=folder)
                for event in self._run(run, lambda: left.is_set() or self.stop.is_set()):
                    loop.call_soon_threadsafe(queue.put_nowait, event)
            except BaseException as error:  # handed to whoever reads the events
                last = error
            loop.call_soon_threadsafe(queue.put_nowait, last)

        worker = asyncio.create_task(asyncio.to_thread(work))
        try:
            while (event := await queue.get()) is not None:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            left.set()
            await worker

    def _run(self, folder: Path, stopped: Callable[[], bool], approved: bool | ScenePlan = False) -> Iterator[Event]:
        def go_on() -> None:
            # The graph works in a thread of its own, which a KeyboardInterrupt in the main thread would wait for.
            if stopped():
                raise KeyboardInterrupt

        from langgraph.types import Command

        from .runs.state import UnreadableState, checkpoints, read_state

        record = run_record(folder)
        start: dict[str, Any] = {"brief": record.brief}
        size = (self.size, self.size)
        if record.base:
            size = read_request(record.base).edited_plan.with_size(*size).size
        start |= {"plan": record.plan.with_size(*size).model_dump()} if record.plan else {}
        approved = approved.with_size(*size) if isinstance(approved, ScenePlan) else approved
        config: Any = {"configurable": {"thread_id": "run"}, "recursion_limit": 4 * self.settings.rounds + 10}
        begun = False
        try:
            with checkpoints(folder) as saver:
                app = self._graph(record, folder, go_on).compile(checkpointer=saver)
                state = read_state(app, config)
                begin: Any = None if state.values else start
                if state.next == ("approve",):
                    if not approved:
                        yield Waiting(ScenePlan.model_validate(state.values["plan"]), folder)
                        return
                    begin = Command(resume=True if approved is True else approved.model_dump())
                elif isinstance(approved, ScenePlan) and state.values and approved != _first_drawn(state.values):
                    raise RunError(
                        f"the plan of {folder} had its yes already, and this one differs; go on without --yes, or draw "
                        f"this one: ditpipe render {folder / 'plan.json'}"
                    )
                begun = True
                for event in app.stream(begin, config, stream_mode="custom", durability="sync"):
                    log_event(folder, event)
                    yield event
                state = app.get_state(config)
        except DitpipeError as error:
            if isinstance(error, PlanningError | CritiqueError):
                reply = folder / "reply.txt"
                write(reply, error.reply.encode(errors="backslashreplace"))
                error.args = (f"{error} (the last reply is in {reply})",)
            if begun and not isinstance(error, RenderError):  # it may pass, and each finished node is kept
                error.resume = resume_command(folder, self.settings)
                error.add_note(f"go on with: {error.resume}")
            raise
        except UnreadableState as error:
            raise RunError(
                f"the checkpoints of {folder} cannot be read ({error}): an older version of ditpipe wrote them, or "
                f"somebody else; remove {folder / 'checkpoints.sqlite'}, and the run begins anew"
            ) from error
        except sqlite3.Error as error:
            raise RunError(
                f"cannot go on in {folder}: {error}; if the disk was full, then later: "
                f"{resume_command(folder, self.settings)}"
            ) from error
        if state.next == ("approve",):
            go_on()
            waiting = Waiting(ScenePlan.model_validate(state.values["plan"]), folder)
            log_event(folder, waiting)
            yield waiting
            return
        rounds = tuple(_round(folder, number + 1, one) for number, one in enumerate(state.values["tried"]))
        first = state.values.get("before")
        painting = Painting(record.brief, folder, rounds, _round(folder, 0, first) if first else None)
        copy_result(painting.best.path, painting.path)
        if notes := painting.notes:
            add_warnings(painting.path, notes)
        finished = Finished(painting)
        log_event(folder, finished)
        yield finished

    def _graph(self, record: RunRecord, folder: Path, go_on: Callable[[], None]) -> Any:
        """The loop over a brief, or over the change of a finished picture if the record of the run names one."""
        from ..tools.loop_tools import critique_file, edit_candidates, render_candidates, revise_plan
        from .loop import build_graph

        base = record.base
        before = read_request(base) if base else None
        notes = [note for note in (notation_warning([record.brief]), *self.unused_settings) if note]

        def planned(brief: str) -> ScenePlan:
            go_on()
            return self.planner.plan(brief).with_size(self.size, self.size)

        def judged(image: Image.Image, plan: ScenePlan) -> Critique:
            go_on()
            assert self.critic
            return self.critic.critique(image, plan)

        def request_for(plan: ScenePlan, best: dict[str, Any] | None) -> tuple[RenderRequest, Path | None]:
            if before is not None:  # each round changes that picture, so that none inherits what another one spoilt
                return _edit(before, plan), base
            if best:  # only what is weak is drawn anew
                return _edit(RenderRequest.model_validate(best["request"]), plan), path_inside(folder, best["path"])
            return self.request(plan), None

        def render(on_step: OnStep, into: Path | None) -> "BaseTool":
            def step(progress: Step) -> None:
                go_on()
                on_step(progress)

            go_on()
            if into:
                return edit_candidates(self.renderer, into, step, notes=notes)
            return render_candidates(self.renderer, step, notes=notes)

        def mend(
            plan: ScenePlan, critique: Critique, comparison: Comparison | None, plans: list[ScenePlan]
        ) -> Revision | None:
            from ..renderer.regions.region_masks import visible_regions

            family = self.renderer.family
            drawn, spoiling = visible_regions(plan, token=family.cell * family.patch), set[str]()
            if before is not None:  # what nobody asked to change stays as it is, however weak
                drawn &= set(_edit(before, plan).edits[-1].names)
                spoilt = {fall.name for fall in comparison.lost} if comparison else set()
                spoiling = drawn if spoilt - drawn else spoiling
                plans = [before.edited_plan, *plans]
            critique = critique.model_copy(update={"regions": [r for r in critique.regions if r.name in drawn]})
            return revise(
                plan, critique, round_number=len(plans) - bool(before), threshold=self.settings.accept,
                origin=before.model_dump_json() if before else str(self.settings.seed),
                tried=[*plans, *record.tried], spoiling=[r.name for r in plan.regions if r.name in spoiling],
            )  # fmt: skip

        def pictured() -> dict[str, Any]:
            assert base and before
            verdict = record.judged
            if verdict is None and self.critic:
                verdict = judged(open_image(base), before.edited_plan)
            path = "round-0/candidate-1.png"
            copy_result(base, folder / path)
            return _entry(before, path, verdict)

        def compare(first: dict[str, Any], drawn: dict[str, Any]) -> Comparison:
            from ..renderer.sampling.edit import unintended_changes

            go_on()
            old, new = shown_in(first), shown_in(drawn)
            image = open_image(path_inside(folder, drawn["path"]))
            absent = removed_regions(old, new)
            picture = open_image(path_inside(folder, first["path"]))
            return compare_edit(
                old, new, critique_before=_verdict(first), critique_after=_verdict(drawn),
                remains_critique=judged(image, absent) if absent and self.critic else None,
                beside=unintended_changes(picture, image, old, new), threshold=self.settings.accept,
            )  # fmt: skip

        return build_graph(
            self.settings,
            folder=folder,
            plan=planned,
            render=render,
            critique=critique_file(judged) if self.critic else None,
            revise=mend,
            apply=revise_plan(),
            request_for=request_for,
            before=pictured if base else None,
            compare=compare if base else None,
        )


def _edit(before: RenderRequest, plan: ScenePlan) -> RenderRequest:
    """The request that draws a plan into a finished picture. Raises ValueError if nothing differs, or too much."""
    revision = Revision.between(before.edited_plan, plan)
    if revision is None:
        raise ValueError("nothing to change: the picture shows this plan already")
    return before.model_copy(update={"edits": [*before.edits, revision]})


def _last(events: Iterable[Event], settings: Settings) -> Painting:
    painting = None
    for event in events:
        painting = event.painting if isinstance(event, Finished) else painting
        if isinstance(event, Waiting):
            command = resume_command(event.folder, settings)
            raise RunError(f"the plan waits for a yes: {command} --yes, or Agent.resume(…)")
    assert painting is not None
    return painting


def _first_drawn(state: dict[str, Any]) -> ScenePlan | None:
    """The plan that a run began to draw; later ones are revised."""
    if state.get("tried"):
        return shown_in(state["tried"][0])
    return ScenePlan.model_validate(state["plan"]) if state.get("plan") else None


def _round(folder: Path, number: int, one: dict[str, Any]) -> Round:
    candidates = tuple(Candidate(path_inside(folder, c["path"]), _verdict(c)) for c in one.get("candidates", []))
    request = RenderRequest.model_validate(one["request"])
    return Round(number, request, path_inside(folder, one["path"]), _verdict(one), candidates, comparison_of(one))


def _entry(request: RenderRequest, path: str, verdict: Critique | None) -> dict[str, Any]:
    """A picture as the state of a run has it."""
    return {"request": request.model_dump(), "path": path, "critique": verdict.model_dump() if verdict else None}


def _verdict(one: dict[str, Any]) -> Critique | None:
    return Critique.model_validate(one["critique"]) if one["critique"] else None
