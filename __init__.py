"""ditpipe: brief in, picture out, every region under control.

    from ditpipe import Agent
    painting = Agent().paint("a red cat on the left and a blue rocket on the right, at night")
    painting.best.result.image.save("picture.png")

The names below are loaded when they are first used: `import ditpipe` loads neither torch nor langchain.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ditpipe.agent.agent import Agent
    from ditpipe.agent.chat.understanding import aunderstand, understand
    from ditpipe.agent.events import Painting, Round
    from ditpipe.agent.planning.planner import Planner
    from ditpipe.prompts.answers.chat_schema import Understanding
    from ditpipe.prompts.critique import Critique
    from ditpipe.prompts.errors import DitpipeError
    from ditpipe.prompts.formats.registry import dump_layout
    from ditpipe.prompts.layout.places import boxes_for, columns, grid, rows
    from ditpipe.prompts.plan import Box, LeveledPrompt, Region, ScenePlan
    from ditpipe.prompts.revision import Revision
    from ditpipe.renderer.pictures.layout_files import load_layout
    from ditpipe.renderer.pipeline import Renderer
    from ditpipe.renderer.regions.prompt_schedule import PromptSchedule
    from ditpipe.renderer.request import RenderRequest, RenderResult

_HOMES = {
    "Agent": "agent.agent", "Planner": "agent.planning.planner", "Painting": "agent.events", "Round": "agent.events",
    "aunderstand": "agent.chat.understanding", "understand": "agent.chat.understanding",
    "DitpipeError": "prompts.errors", "Understanding": "prompts.answers.chat_schema",
    "boxes_for": "prompts.layout.places", "columns": "prompts.layout.places", "grid": "prompts.layout.places",
    "rows": "prompts.layout.places",
    "Box": "prompts.plan", "Critique": "prompts.critique", "LeveledPrompt": "prompts.plan", "Region": "prompts.plan",
    "Revision": "prompts.revision", "ScenePlan": "prompts.plan",
    "dump_layout": "prompts.formats.registry", "load_layout": "renderer.pictures.layout_files",
    "PromptSchedule": "renderer.regions.prompt_schedule",
    "Renderer": "renderer.pipeline", "RenderRequest": "renderer.request", "RenderResult": "renderer.request",
}  # fmt: skip

__version__ = "0.1.0"
__all__ = [
    "Agent", "Box", "Critique", "PromptSchedule", "DitpipeError", "LeveledPrompt", "Painting", "Planner", "Region",
    "Renderer", "RenderRequest", "RenderResult", "Revision", "Round", "ScenePlan", "Understanding", "__version__",
    "aunderstand", "boxes_for", "columns", "dump_layout", "grid", "load_layout", "rows", "understand",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"ditpipe.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ditpipe' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
