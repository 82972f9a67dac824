"""The whole loop on one screen: plan → (a yes) → render → critique → revise → render …, the best round kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from ..prompts.critique import Critique
from ..prompts.plan import ScenePlan
from ..prompts.revision import Revision
from ..renderer.pictures.artifacts import write
from ..renderer.pictures.file_ref import path_inside
from ..renderer.request import RenderRequest, Step
from .edit_review import Comparison
from .events import Compared, Critiqued, Planned, Rendered, Revised, Stepped, comparison_of, rank_key, shown_in
from .settings import Settings


class State(TypedDict, total=False):
    """What the checkpointer keeps, as plain JSON. `tried` holds one {request, path, critique, comparison} per finished
    round, `before` the same of the picture that the run changes.

    Paths are relative to the folder of the run, which may be moved.
    """

    brief: str
    plan: dict[str, Any]
    drawn: list[dict[str, Any]]
    tried: list[dict[str, Any]]
    before: dict[str, Any] | None
    done: bool


def build_graph(
    settings: Settings,
    *,
    folder: Path,
    plan: Callable[[str], ScenePlan],
    render: Callable[[Callable[[Step], None], Path | None], BaseTool],
    critique: BaseTool | None,
    revise: Callable[[ScenePlan, Critique, Comparison | None, list[ScenePlan]], Revision | None],
    apply: BaseTool,
    request_for: Callable[[ScenePlan, dict[str, Any] | None], tuple[RenderRequest, Path | None]],
    before: Callable[[], dict[str, Any]] | None = None,
    compare: Callable[[dict[str, Any], dict[str, Any]], Comparison] | None = None,
) -> StateGraph[State]:
    """The loop as a LangGraph graph, not yet compiled. Every collaborator is handed in.

    `folder` is the run's. `request_for` a plan and the best round so far, if any, says what to draw and into which
    finished picture. `revise` is given the plans of all rounds so far. A run that changes a picture has `before`, which
    gives that picture as an entry of the state, and `compare`, which holds an entry against it.
    """

    def plan_node(state: State) -> State:
        answer = ScenePlan.model_validate(state["plan"]) if state.get("plan") else plan(state["brief"])
        get_stream_writer()(Planned(answer))
        write(folder / "plan.json", answer.model_dump_json(indent=2).encode())
        return {"plan": answer.model_dump(), "tried": [], "done": False}

    def approve_node(state: State) -> State:
        said = interrupt(state["plan"])  # the run ends here, and goes on with True or a changed plan
        if said is True:
            return {}
        answer = ScenePlan.model_validate(said)
        get_stream_writer()(Planned(answer))
        write(folder / "plan.json", answer.model_dump_json(indent=2).encode())
        return {"plan": answer.model_dump()}

    def render_node(state: State) -> State:
        emit, number = get_stream_writer(), len(state["tried"]) + 1
        request, base = request_for(ScenePlan.model_validate(state["plan"]), _best(state["tried"]))
        paths = [folder / f"round-{number}" / f"candidate-{i + 1}.png" for i in range(settings.candidates)]
        tool = render(lambda step: emit(Stepped(number, step)), base)
        call = {"type": "tool_call", "id": str(number), "name": tool.name}
        asked = request.model_dump() | {"paths": [str(path) for path in paths]}
        drawn = []
        for path, result in zip(paths, tool.invoke(call | {"args": asked}).artifact, strict=True):
            emit(Rendered(number, path, result.seconds, result.warnings))
            drawn.append({"request": result.request.model_dump(), "path": str(path.relative_to(folder))})
        return {"drawn": drawn}

    def critique_node(state: State) -> State:
        number, verdicts = len(state["tried"]) + 1, []
        first = state.get("before") or (before() if before else None)
        for one in state["drawn"]:
            verdict = None
            if critique:
                call = {"type": "tool_call", "id": str(number), "name": critique.name}
                shown, file = shown_in(one).model_dump(), str(path_inside(folder, one["path"]))
                verdict = critique.invoke(call | {"args": {"plan": shown, "path": file}}).artifact
            judged = one | {"critique": verdict.model_dump() if verdict else None}
            verdicts.append(judged | ({"comparison": compare(first, judged).model_dump()} if first and compare else {}))
        best = max(verdicts, key=_rank)
        if best["critique"]:
            get_stream_writer()(Critiqued(number, Critique.model_validate(best["critique"])))
        if comparison := comparison_of(best):
            get_stream_writer()(Compared(number, comparison))
        write(path_inside(folder, best["path"]).parent / "round.json", json.dumps(best, indent=2).encode())
        others = {"candidates": [{"path": one["path"], "critique": one["critique"]} for one in verdicts]}
        return {"tried": [*state["tried"], best | (others if len(verdicts) > 1 else {})], "before": first}

    def revise_node(state: State) -> State:
        number, best = len(state["tried"]), _best(state["tried"])
        assert best
        scene, plans = shown_in(best), [shown_in(one) for one in state["tried"]]
        revision = revise(scene, Critique.model_validate(best["critique"]), comparison_of(best), plans)
        if revision is None or revision.apply(scene) in plans:  # what was tried is not drawn again
            return {"done": True}
        get_stream_writer()(Revised(number, revision))
        call = {"type": "tool_call", "id": str(number), "name": apply.name}
        changed = apply.invoke(
            call | {"args": {"plan": scene.model_dump(), "revision": revision.model_dump()}}
        ).artifact
        return {"plan": changed.model_dump()}

    def after_critique(state: State) -> str:
        return "revise" if critique and len(state["tried"]) < settings.rounds else END

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
    graph.add_conditional_edges("critique", after_critique, ["revise", END])
    graph.add_conditional_edges("revise", lambda state: END if state["done"] else "render", ["render", END])
    return graph


def _best(tried: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The best round so far, from which the loop goes on: a revision that made things worse is not built upon."""
    return max(tried, key=_rank, default=None)


def _rank(one: dict[str, Any]) -> tuple[int, float]:
    return rank_key(Critique.model_validate(one["critique"]) if one["critique"] else None, comparison_of(one))
