"""The agent: brief in, picture out. Wires models, tools and the loop together, and keeps each run in a folder."""

import asyncio
import json
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite import SqliteSaver

from ..prompts.errors import RunError
from ..prompts.scene import MAX_BRIEF, Critique, ScenePlan
from ..renderer.depth import preset
from ..renderer.picture import write
from ..renderer.pipeline import OnStep, Renderer, RenderRequest, RenderResult, Step
from ..tools.pictures import critique_file, render_candidates, revise_plan
from .chat_models import chat_model
from .critic import Critic, EmbeddedCritic, VisionCritic, ranked, revise
from .graph import build_graph
from .local_models import LOCAL_MODELS, best_planner
from .planner import Planner
from .render_options import saving
from .rounds import Critiqued, Event, Finished, Painting, Planned, Rendered, Revised, Round
from .settings import Settings


class Agent:
    """Paints briefs. Options are those of `Settings`; planner, critic and renderer may be handed in ready-made.

    >>> Agent(rounds=1).paint("a red cat on the left and a blue rocket on the right, at night").path
    """

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        planner: Planner | None = None,
        critic: Critic | None = None,
        renderer: Renderer | None = None,
        **options: Any,
    ) -> None:
        """Raises pydantic's ValidationError (a ValueError) for an unknown or impossible option."""
        base = settings.model_dump() if settings else {}
        self.settings = Settings(**(base | options))
        preset(self.settings.depth)
        self.renderer = renderer or Renderer(self.settings.model)
        self._planner, self._critic = planner, critic
        self.stop = threading.Event()  # set it to end a run at its next denoising step, with KeyboardInterrupt

    @property
    def size(self) -> int:
        return self.settings.size or self.renderer.checkpoint.size

    @cached_property
    def planner(self) -> Planner:
        if self._planner:
            return self._planner
        return Planner(self._chat(self.planner_name), width=self.size, height=self.size)

    @cached_property
    def planner_name(self) -> str:
        """The planner that 'auto' stands for, or the one that was asked for."""
        return best_planner() if self.settings.planner == "auto" else self.settings.planner

    @cached_property
    def critic(self) -> Critic | None:
        if self._critic or self.settings.critic == "none":
            return self._critic
        return (
            EmbeddedCritic() if self.settings.critic == "embedded" else VisionCritic(self._chat(self.settings.critic))
        )

    def _chat(self, name: str) -> Any:
        key = self.settings.api_key
        base_url = None if name in LOCAL_MODELS else self.settings.base_url
        return chat_model(name, base_url=base_url, api_key=key.get_secret_value() if key else None)

    def request(self, plan: ScenePlan) -> RenderRequest:
        """The render request for a plan under this agent's settings."""
        chosen = self.settings
        return RenderRequest(
            plan=plan, model=self.renderer.model, seed=chosen.seed,
            steps=chosen.steps, guidance_scale=chosen.guidance_scale, depth=preset(chosen.depth),
            save=saving(chosen.save), step_cache=chosen.step_cache, compile=chosen.compile,
        )  # fmt: skip

    def ranked(self, results: list[RenderResult]) -> list[tuple[RenderResult, Critique | None]]:
        """Candidates of one plan with this agent's critique of each, best first."""
        return ranked(results, self.critic)

    def paint(self, brief: str, *, plan: ScenePlan | None = None, folder: Path | None = None) -> Painting:
        """Plans, draws, criticises and mends a brief. Raises ValueError for an unusable brief, else DitpipeError."""
        return _last(self.stream(brief, plan=plan, folder=folder))

    def stream(self, brief: str, *, plan: ScenePlan | None = None, folder: Path | None = None) -> Iterator[Event]:
        """As `paint`, yielding typed events; the last one is `Finished`."""
        if not brief.strip():
            raise ValueError("the brief is empty; say what the picture should show")
        if len(brief) > MAX_BRIEF:
            raise ValueError(f"the brief has {len(brief):,} characters; at most {MAX_BRIEF:,} are read")
        run = folder or _new_folder(self.settings.out)
        kept = self.settings.model_dump(mode="json", exclude={"api_key"})
        write(run / "run.json", json.dumps({"brief": brief, "settings": kept}, indent=2).encode())
        start = {"brief": brief, "folder": str(run)} | ({"plan": plan.model_dump()} if plan else {})
        yield from self._run(run, brief, start)

    def resume(self, folder: Path) -> Iterator[Event]:
        """Goes on with a killed run from its last finished node. Raises RunError if there is nothing to go on from."""
        yield from self._run(folder, run_record(folder)["brief"], None)

    async def apaint(self, brief: str, *, plan: ScenePlan | None = None, folder: Path | None = None) -> Painting:
        """`paint`, without blocking the event loop."""
        return await asyncio.to_thread(self.paint, brief, plan=plan, folder=folder)

    async def astream(
        self, brief: str, *, plan: ScenePlan | None = None, folder: Path | None = None
    ) -> AsyncIterator[Event]:
        """`stream`, without blocking the event loop; leaving the loop early stops the run at its next event."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[Event | BaseException | None]()
        stop = threading.Event()

        def work() -> None:
            last: BaseException | None = None
            try:
                for event in self.stream(brief, plan=plan, folder=folder):
                    loop.call_soon_threadsafe(queue.put_nowait, event)
                    if stop.is_set():
                        break
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
            stop.set()
            await worker

    def _stoppable(self, on_step: OnStep) -> OnStep:
        # The graph draws in a worker thread, which a KeyboardInterrupt in the main thread would wait for.
        def step(progress: Step) -> None:
            if self.stop.is_set():
                raise KeyboardInterrupt
            on_step(progress)

        return step

    def _run(self, folder: Path, brief: str, start: dict[str, Any] | None) -> Iterator[Event]:
        graph = build_graph(
            self.settings,
            plan=lambda text: self.planner.plan(text),
            render=lambda on_step: render_candidates(self.renderer, self._stoppable(on_step)),
            critique=critique_file(self.critic.critique) if self.critic else None,
            revise=lambda plan, critique, number: revise(
                plan, critique, round_number=number, threshold=self.settings.accept
            ),
            apply=revise_plan(),
            request_for=self.request,
        )
        config: Any = {"configurable": {"thread_id": "run"}, "recursion_limit": 4 * self.settings.rounds + 10}
        with closing(sqlite3.connect(folder / "checkpoints.sqlite", check_same_thread=False)) as connection:
            app = graph.compile(checkpointer=SqliteSaver(connection))
            if start is None and not app.get_state(config).values:
                start = {"brief": brief, "folder": str(folder)}  # killed before its first node had finished
            try:
                for event in app.stream(start, config, stream_mode="custom", durability="sync"):  # type: ignore[call-overload]
                    _note(folder, event)
                    yield event
            except sqlite3.Error as error:
                raise RunError(
                    f"cannot write to {folder}: {error}; then go on with: ditpipe resume {folder}"
                ) from error
            tried = app.get_state(config).values["tried"]
        rounds = tuple(_round(number + 1, one) for number, one in enumerate(tried))
        painting = Painting(brief, folder, rounds)
        write(painting.path, painting.best.path.read_bytes())
        finished = Finished(painting)
        _note(folder, finished)
        yield finished


def run_record(folder: Path) -> dict[str, Any]:
    """Brief and settings of a run folder. Raises RunError if it is none."""
    try:
        record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"{folder}: not a run folder (no readable run.json in it)") from error
    return record


def _last(events: Iterator[Event]) -> Painting:
    painting = None
    for event in events:
        painting = event.painting if isinstance(event, Finished) else painting
    assert painting is not None
    return painting


def _new_folder(out: Path) -> Path:
    """A fresh folder named by the time. Raises RunError if it cannot be made."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        folder = out / (stamp if not attempt else f"{stamp}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            if not out.is_dir():
                raise RunError(f"cannot write to {out}: it is not a folder") from error
            continue
        except OSError as error:
            raise RunError(f"cannot write to {out}: {error.strerror}") from error
        return folder
    raise RunError(f"{out}: too many runs in one second")


def _round(number: int, one: dict[str, Any]) -> Round:
    critique = Critique.model_validate(one["critique"]) if one["critique"] else None
    return Round(number, RenderRequest.model_validate(one["request"]), Path(one["path"]), critique)


_NOTES: dict[type, Callable[[Any], dict[str, Any]]] = {
    Planned: lambda e: {"plan": e.plan.model_dump()},
    Rendered: lambda e: {"round": e.round, "path": str(e.path), "seconds": round(e.seconds, 3), "warnings": e.warnings},
    Critiqued: lambda e: {"round": e.round, "critique": e.critique.model_dump()},
    Revised: lambda e: {"round": e.round, "revision": e.revision.model_dump(exclude_none=True)},
    Finished: lambda e: {"best": e.painting.best.number, "path": str(e.painting.path)},
}


def _note(folder: Path, event: Event) -> None:
    """Appends an event to events.jsonl (steps are progress, not history)."""
    note = _NOTES.get(type(event))
    if not note:
        return
    row = {"event": type(event).__name__.lower(), "time": datetime.now().isoformat(timespec="seconds")} | note(event)
    try:
        with (folder / "events.jsonl").open("a") as out:
            out.write(json.dumps(row) + os.linesep)
    except OSError as error:
        raise RunError(f"cannot write {folder / 'events.jsonl'}: {error.strerror}") from error
