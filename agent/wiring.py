"""The tools that other agents pick up, put together: a studio whose crew can render, edit and paint."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..prompts.chat_schema import ChatCommand
from ..prompts.critique import Critique
from ..prompts.plan import MAX_SIDE, ScenePlan
from ..renderer.pictures.artifacts import write
from ..renderer.request import OnStep
from ..tools.api_schema import REPORT, PaintOrder, Report, limited
from ..tools.jobs.handlers import renderer_works
from ..tools.jobs.service import Studio, Work
from ..tools.langchain_tools import (
    add_region,
    cancel_picture,
    change_picture,
    critique_picture,
    edit_region,
    get_picture,
    paint_picture,
    plan_picture,
    remove_region,
    render_picture,
)
from ..tools.requested_change import Reader
from ..tools.tool_spec import PictureTool
from .agent import Agent
from .events import Finished, Stepped

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from ..renderer.pipeline import Renderer

PLANNED_OR_DRAWN = ("plan_picture", "render_picture", "paint_picture")


def picture_tools(**options: Any) -> list["BaseTool"]:
    """The tools for a LangChain agent, over a studio in the folder `out`, where pictures survive the process. Options
    are `Agent`'s."""
    agent = Agent(**options)
    return [tool.langchain() for tool in tools_of(studio_of(agent), agent)]


def studio_of(agent: Agent, **limits: Any) -> Studio:
    """A studio under the agent's settings, one worker per device; torch is loaded when it opens. `limits` are those of
    `Studio`."""

    def crew() -> dict[str, dict[str, Work]]:
        from ..renderer.checkpoints.load import devices
        from ..renderer.pipeline import Renderer

        works: dict[str, dict[str, Work]] = {}
        for device in devices():
            renderer = Renderer(agent.model, device=device) if works else agent.renderer
            works[device] = renderer_works(renderer, agent.request) | {"paint": paint_work(agent, renderer)}
        return works

    limits = {"largest": min(2 * agent.checkpoint.size, MAX_SIDE)} | limits
    return Studio(agent.settings.out, crew, **limits)


def tools_of(studio: Studio, agent: Agent) -> list[PictureTool]:
    """Every tool of a studio; the agent's planner and critic answer what a renderer cannot."""
    tools = [
        plan_picture(studio, lambda brief, width, height: planned(agent, brief, width, height)),
        render_picture(studio), edit_region(studio), add_region(studio), remove_region(studio),
        change_picture(studio, reader_of(agent)), critique_picture(studio, critique_of(agent)), get_picture(studio),
        cancel_picture(studio), paint_picture(studio),
    ]  # fmt: skip
    return [_of_this_server(tool, studio, agent) for tool in tools]


def _of_this_server(tool: PictureTool, studio: Studio, agent: Agent) -> PictureTool:
    """The tool, whose description and schema say what is drawn here."""
    draws = (
        f" The image model draws {agent.vocabulary_summary}"
        if agent.vocabulary_summary and tool.name in PLANNED_OR_DRAWN
        else ""
    )
    schema = limited(tool.args_schema, largest=studio.largest, usual=agent.size)
    return replace(tool, args_schema=schema, description=tool.description + draws)


def reader_of(agent: Agent) -> Reader:
    """What understands a change of a picture that is asked for in words, as the chat does; loaded on first use."""

    def read(message: str, plan: ScenePlan) -> ChatCommand:
        from .chat.chat_state import ChatState
        from .chat.interpreter import interpreter_for

        return interpreter_for(agent).interpret(message, ChatState(plan=plan, draws=agent.vocabulary_summary))

    return read


def critique_of(agent: Agent) -> Callable[[Image.Image, ScenePlan], Critique]:
    """The agent's critic as a function. It raises ValueError if the agent has none."""

    def critique(image: Image.Image, plan: ScenePlan) -> Critique:
        if agent.critic is None:
            why = agent.no_critic_reason or "the setting critic is 'none'"
            raise ValueError(f"no critic is set up here: {why}")
        return agent.critic.critique(image, plan)

    return critique


def planned(agent: Agent, brief: str, width: int | None, height: int | None) -> ScenePlan:
    """The brief as a plan of that size."""
    size = {name: side for name, side in (("width", width), ("height", height)) if side}
    return agent.planner.plan(brief).model_copy(update=size)


def paint_work(agent: Agent, renderer: "Renderer") -> Work:
    """The agent itself as a work of a studio. A painting that was cut short goes on from its last finished node."""

    def paint(asked: dict[str, Any], folder: Path, on_step: OnStep) -> bytes:
        order = PaintOrder.model_validate(asked)
        options = order.model_dump(include={"seed", "steps", "solver", "rounds", "candidates"}, exclude_none=True)
        painter = Agent(
            settings=agent.settings,
            renderer=renderer,
            planner=agent.planner,
            critic=agent.critic,
            approve=False,
            **options,
        )
        if (folder / "round-1").exists():
            events = painter.resume(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            plan = planned(agent, order.brief, order.width, order.height)
            events = painter.stream(order.brief, plan=plan, folder=folder)
        steps: dict[int, int] = {}  # of each round so far
        for event in events:
            try:
                if isinstance(event, Stepped):
                    # The total grows with each round that is needed.
                    steps[event.round] = event.step.total
                    total = sum(steps.values())
                    on_step(replace(event.step, index=total - event.step.total + event.step.index, total=total))
            except BaseException:
                painter.stop.set()
                with suppress(KeyboardInterrupt):
                    for _ in events:
                        pass
                raise
            if isinstance(event, Finished):
                best = event.painting.best
                report = Report(critique=best.critique, warnings=tuple(agent.omissions(order.brief, best.plan)))
                write(folder / REPORT, report.model_dump_json().encode())
                return event.painting.path.read_bytes()
        raise AssertionError("a run ends with Finished")

    return paint
