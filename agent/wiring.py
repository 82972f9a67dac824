"""Puts the tools for other agents and servers together: an engine whose handlers render, edit and paint."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..prompts.answers.chat_schema import Understanding
from ..prompts.critique import Critique
from ..prompts.layout.canvas import nearest_sides
from ..prompts.plan import MAX_SIDE, ScenePlan
from ..renderer.pictures.artifacts import write
from ..renderer.request import RenderResult
from ..tools.api_schema import REPORT, PaintInput, Report, with_size_limits
from ..tools.jobs.engine import JobContext, JobHandler
from ..tools.jobs.handlers import EditReviewer, renderer_handlers
from ..tools.jobs.local_engine import LocalEngine
from ..tools.jobs.service import PictureService
from ..tools.langchain_tools import (
    add_region,
    cancel_picture,
    change_picture,
    change_plan,
    critique_picture,
    edit_region,
    get_picture,
    paint_picture,
    plan_picture,
    remove_region,
    render_picture,
)
from ..tools.requested_change import ChangeReader
from ..tools.tool_spec import PictureTool
from ..tools.watching.tracing import span
from .agent import Agent
from .batch.worker import BATCH, BATCH_EVENTS, batch_handler
from .chat.turn_job import CHAT_EVENTS, TURN
from .chat.understanding import understood_by
from .events import Finished
from .refine.edit_critique import review_edit

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from ..renderer.request import PictureRenderer

PLANNED_OR_DRAWN = ("plan_picture", "render_picture", "paint_picture")


def picture_tools(**options: Any) -> list["BaseTool"]:
    """The tools for a LangChain agent. Options are `Agent`'s; pictures stay in the folder `out`."""
    agent = Agent(**options)
    return [tool.langchain() for tool in tools_for(picture_service(agent), agent)]


def picture_service(
    agent: Agent,
    *,
    engine: LocalEngine | None = None,
    patience: float = 45,
    largest: int | None = None,
    capacity: int = 128,
    share: int = 64,
) -> PictureService:
    """A service under the agent's settings; torch is loaded when it opens.

    `engine`: None for a `local_engine` in the agent's folder `out`, of this `capacity` and `share`. `patience` and
    `largest` are `PictureService`'s, `largest` by default `largest_side`.
    """
    engine = engine or local_engine(agent, folder=agent.settings.out, largest=largest, capacity=capacity, share=share)
    return PictureService(engine, patience, largest or largest_side(agent))


def local_engine(
    agent: Agent,
    *,
    folder: Path,
    turn: Callable[[Agent], JobHandler] | None = None,
    largest: int | None = None,
    capacity: int = 128,
    share: int = 64,
) -> LocalEngine:
    """An engine with one worker per device, each with an agent of its own that shares this one's planner and critic.

    `turn`: the handler of messages for such an agent. `largest`: most pixels a side of what a brief asks for; None:
    `largest_side`. `capacity` and `share` are `JobQueue`'s.
    """

    def handlers() -> dict[str, dict[str, JobHandler]]:
        by_device = dict[str, dict[str, JobHandler]]()
        for device in agent.models.devices:
            other = agent.models.new_renderer(device) if by_device else None
            renderer, own = other or agent.renderer, _agent_with(agent, other) if other else agent
            by_device[device] = renderer_handlers(renderer, agent.request, edit_reviewer(agent))
            by_device[device] |= {"paint": paint_handler(own, largest=largest or largest_side(agent))}
            by_device[device] |= {BATCH: batch_handler(own)}
            by_device[device] |= {TURN: turn(own)} if turn else {}
        return by_device

    return LocalEngine(folder, handlers, reports=(*CHAT_EVENTS, *BATCH_EVENTS), capacity=capacity, share=share)


def _agent_with(agent: Agent, renderer: "PictureRenderer") -> Agent:
    """An agent that draws with a renderer, and has another one's settings, planner and critic."""
    return Agent(settings=agent.settings, renderer=renderer, planner=agent.planner, critic=agent.critic)


def largest_side(agent: Agent) -> int:
    """Most pixels a side of a picture, unless a service sets another limit: twice the model's size."""
    return min(2 * agent.checkpoint.size, MAX_SIDE)


def tools_for(service: PictureService, agent: Agent) -> list[PictureTool]:
    """Every tool of a service; the agent's planner and critic do what a renderer cannot."""
    tools = [
        plan_picture(service, partial(plan_brief, agent, largest=service.largest)), change_plan(change_reader(agent)),
        render_picture(service), edit_region(service), add_region(service), remove_region(service),
        change_picture(service, change_reader(agent), agent.request, agent.checkpoint),
        critique_picture(service, critique_of(agent)), get_picture(service), cancel_picture(service),
        paint_picture(service),
    ]  # fmt: skip
    return [_with_server_limits(tool, service, agent) for tool in tools]


def _with_server_limits(tool: PictureTool, service: PictureService, agent: Agent) -> PictureTool:
    """The tool with a description and a schema that name what the image model can draw, and how large."""
    draws, vocabulary = agent.vocabulary_summary, ""
    if draws and tool.name in PLANNED_OR_DRAWN:
        vocabulary = f" The image model draws {draws}"
    schema = with_size_limits(
        tool.args_schema, largest=service.largest, usual=agent.size, multiple=agent.checkpoint.token
    )
    return replace(tool, args_schema=schema, description=tool.description + vocabulary)


def change_reader(agent: Agent) -> ChangeReader:
    """Reads messages as the chat does; its model is loaded on first use."""

    def read(message: str, plan: ScenePlan | None, history: Sequence[str | Understanding] = ()) -> Understanding:
        return understood_by(agent, message, plan=plan, history=history)

    return read


def edit_reviewer(agent: Agent) -> EditReviewer:
    """Compares an edit with the picture before it, by the agent's critic."""

    def review(before: RenderResult, after: RenderResult, critique_before: Critique | None) -> Report:
        compared = review_edit(
            before, after, agent.critic, threshold=agent.settings.threshold, critique_before=critique_before
        )
        return Report(critique=compared.critique, warnings=compared.warnings)

    return review


def critique_of(agent: Agent) -> Callable[[Image.Image, ScenePlan], Critique]:
    """The agent's critic as a function, which raises ValueError if the agent has none."""

    def critique(image: Image.Image, plan: ScenePlan) -> Critique:
        if agent.critic is None:
            reason = agent.no_critic_reason or "the setting critic is 'none'"
            raise ValueError(f"no critic is set up here: {reason}")
        with span("critique"):
            return agent.critic.critique(image, plan)

    return critique


def plan_brief(
    agent: Agent, brief: str, width: int | None, height: int | None, aspect: str | None = None, *,
    largest: int | None = None,
) -> ScenePlan:  # fmt: skip
    """The planner's plan of a brief, in the given size or shape where there is one. The size of a shape, or one that
    the brief sets, is made smaller if a side has more than `largest` pixels, by default `largest_side`. Its notes also
    say what of it the image model cannot draw."""
    largest, is_sized = largest or largest_side(agent), bool(width or height)
    if aspect:
        width, height = agent.size_of(aspect)
    elif width or height:
        width, height = width or agent.size[0], height or agent.size[1]
    chosen = {"size": f"{width}x{height}", "aspect": None} if width and height else {}
    plan = agent.with_settings(**chosen).plan(brief)
    plan = plan.with_notes(agent.vocabulary.warnings(plan) if agent.vocabulary else [])
    sized = plan.model_copy(update={"width": width or plan.width, "height": height or plan.height})
    if sized.whole != plan.whole and plan.width != plan.height:
        sized = sized.with_notes([f"the brief's shape, {plan.width}×{plan.height}, is not used: a size was given"])
    if not sized.width or not sized.height or max(sized.size) <= largest or is_sized:
        return sized
    less = largest / max(sized.size)
    smaller = nearest_sides(*(side * less for side in sized.size), multiple=agent.checkpoint.token, largest=largest)
    note = "{}×{} pixels are too many here: {}×{} are drawn".format(*sized.size, *smaller)
    return sized.model_copy(update=dict(zip(("width", "height"), smaller))).with_notes([note])


def paint_handler(agent: Agent, *, largest: int | None = None) -> JobHandler:
    """The job handler "paint": the whole agent. A job that was interrupted continues after its last finished node.
    `largest`: as for `plan_brief`."""

    def paint(payload: dict[str, Any], context: JobContext) -> bytes:
        job = PaintInput.model_validate(payload)
        options = job.model_dump(include={"seed", "steps", "solver", "rounds", "candidates"}, exclude_none=True)
        painter = agent.with_settings(approve=False, **options)
        if not (context.folder / "round-1").exists():
            shutil.rmtree(context.folder, ignore_errors=True)
            plan = plan_brief(agent, job.brief, job.width, job.height, job.aspect, largest=largest)
            painter.begin(job.brief, plan=plan, folder=context.folder)
        context.raise_if_stopped()
        last = painter.run(context.folder, context)
        assert isinstance(last, Finished)  # no plan waits for approval here
        write(context.folder / REPORT, Report(critique=last.painting.best.critique).model_dump_json().encode())
        return last.painting.path.read_bytes()

    return paint
