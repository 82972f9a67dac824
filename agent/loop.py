"""The whole loop on one screen: plan → (approval) → render → critique → revise → render …, the best round kept."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from ..prompts.plan import ScenePlan
from ..prompts.revision import Revision
from ..renderer.pictures.artifacts import write
from ..renderer.pictures.file_ref import path_inside
from ..renderer.request import RenderResult
from ..tools.watching.tracing import in_span
from .events import Compared, Critiqued, Event, Planned, Rendered, Revised
from .runs.entry import CandidateEntry, Entry
from .settings import Settings


class State(TypedDict, total=False):
    """What the checkpointer stores, as plain JSON: `drawn` holds the entries of the round in progress, `judged` those
    of them that the critic is done with, `tried` one per finished round, `before` that of the picture that the run
    edits; `reason`: why the plan was revised."""

    brief: str
    plan: dict[str, Any]
    reason: str
    drawn: list[dict[str, Any]]
    judged: list[dict[str, Any]]
    tried: list[dict[str, Any]]
    before: dict[str, Any] | None
    done: bool


class Steps(Protocol):
    """The functions that the loop calls."""

    def emit(self, event: Event) -> None:
        """Reports what has happened."""
        ...

    def plan(self, brief: str) -> ScenePlan: ...

    def render(
        self, plan: ScenePlan, best: Entry | None, paths: Sequence[Path], *, number: int, reason: str
    ) -> list[RenderResult]:
        """Draws the plan once per path, as round `number`, and writes the files; `best` is the best round so far,
        `reason` says why the plan differs from it."""
        ...

    def base_entry(self) -> Entry | None:
        """The picture that the run edits, if any."""
        ...

    def critique(self, entry: Entry, base: Entry | None) -> Entry:
        """The entry with its critique, and with its comparison if there is a base."""
        ...

    def revise(self, best: Entry, rounds: list[Entry]) -> Revision | None:
        """What to change in the best of the rounds so far. None if no region scores below `Settings.threshold`, or if
        nothing would help."""
        ...


def build_graph(settings: Settings, *, folder: Path, steps: Steps) -> StateGraph[State]:
    """The loop over a run's folder as a LangGraph graph, not yet compiled."""

    def publish(plan: ScenePlan) -> dict[str, Any]:
        """Reports the plan and writes it to plan.json; returns it as the state holds it."""
        steps.emit(Planned(plan))
        write(folder / "plan.json", plan.model_dump_json(indent=2).encode())
        return plan.model_dump()

    def plan_node(state: State) -> State:
        plan = ScenePlan.model_validate(state["plan"]) if state.get("plan") else steps.plan(state["brief"])
        return {"plan": publish(plan), "tried": [], "done": False}

    def approve_node(state: State) -> State:
        answer = interrupt(state["plan"])  # the run ends here, and resumes with True or a changed plan
        return {} if answer is True else {"plan": publish(ScenePlan.model_validate(answer))}

    @in_span("render")
    def render_node(state: State) -> State:
        rounds = _entries(state["tried"])
        number = len(rounds) + 1
        paths = [folder / f"round-{number}" / f"candidate-{i + 1}.png" for i in range(settings.candidates)]
        results = steps.render(
            ScenePlan.model_validate(state["plan"]), _best(rounds), paths, number=number,
            reason=state.get("reason", ""),
        )  # fmt: skip
        drawn = []
        for path, result in zip(paths, results, strict=True):
            steps.emit(Rendered(number, path, result.seconds, result.warnings))
            drawn.append(Entry(request=result.request, path=str(path.relative_to(folder))).as_state())
        return {"drawn": drawn, "judged": []}

    @in_span("critique")
    def critique_node(state: State) -> State:
        """Judges the next candidate, and after the last one ends the round: what a critic said is never asked again."""
        number = len(state["tried"]) + 1
        base = Entry.model_validate(state["before"]) if state.get("before") else steps.base_entry()
        before = base.as_state() if base else None
        judged = _entries(state.get("judged", []))
        judged.append(steps.critique(_entries(state["drawn"])[len(judged)], base))
        if len(judged) < len(state["drawn"]):
            return {"judged": [entry.as_state() for entry in judged], "before": before}
        best = max(judged, key=lambda entry: entry.rank)
        if best.critique:
            steps.emit(Critiqued(number, best.critique))
        if best.comparison:
            steps.emit(Compared(number, best.comparison))
        write(path_inside(folder, best.path).parent / "round.json", json.dumps(best.as_state(), indent=2).encode())
        if len(judged) > 1:
            candidates = [CandidateEntry(path=entry.path, critique=entry.critique) for entry in judged]
            best = best.model_copy(update={"candidates": candidates})
        return {"tried": [*state["tried"], best.as_state()], "judged": [], "before": before}

    @in_span("revise")
    def revise_node(state: State) -> State:
        rounds = _entries(state["tried"])
        best = max(rounds, key=lambda entry: entry.rank)
        revision = steps.revise(best, rounds)
        revised = revision.apply(best.plan) if revision else best.plan
        if revision is None or revised in [entry.plan for entry in rounds]:  # a plan is not drawn twice
            return {"done": True}
        steps.emit(Revised(len(rounds), revision))
        return {"plan": revised.model_dump(), "reason": revision.reason}

    def after_critique(state: State) -> str:
        if state["judged"]:
            return "critique"
        return "revise" if state["tried"][-1]["critique"] and len(state["tried"]) < settings.rounds else END

    graph = StateGraph(State)
    graph.add_node("plan", plan_node)
    graph.add_node("approve", approve_node)
    graph.add_node("render", render_node)
    graph.add_node("critique", critique_node)
    graph.add_node("revise", revise_node)
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "approve" if settings.approve else "render")
    graph.add_edge("approve", "render")
    graph.add_edge("render", "critique")
    graph.add_conditional_edges("critique", after_critique, ["critique", "revise", END])
    graph.add_conditional_edges("revise", lambda state: END if state["done"] else "render", ["render", END])
    return graph


def _entries(states: list[dict[str, Any]]) -> list[Entry]:
    return [Entry.model_validate(state) for state in states]


def _best(rounds: list[Entry]) -> Entry | None:
    """The best round so far, on which the loop builds: a revision that made things worse is discarded."""
    return max(rounds, key=lambda entry: entry.rank, default=None)
