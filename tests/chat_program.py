"""The terminal chat over a tiny renderer and a planner that always answers the same: what tests drive through a pty.

python tests/chat_program.py SESSIONS_FOLDER MODEL_FOLDER STEPS [SESSION_ID]
"""

import sys
import time
from pathlib import Path
from typing import Any

from chat_words import ByHeart

from ditpipe import Agent, LeveledPrompt, Planner, Region, Renderer, ScenePlan, columns
from ditpipe.agent.chat.interpreter import ModelInterpreter
from ditpipe.agent.chat.session import Sessions


class FixedPlanner(Planner):
    """Plans a cat and a rocket, whatever the brief."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def plan(self, brief: str) -> ScenePlan:
        self.calls.append(brief)
        left, right = columns(2)
        regions = [
            Region(name="cat", box=left, prompt=LeveledPrompt(high_level="cat on the left", low_level="red")),
            Region(name="rocket", box=right, prompt=LeveledPrompt(high_level="rocket on the right", low_level="blue")),
        ]
        scene = LeveledPrompt(high_level="a red cat on the left and a blue rocket on the right at night")
        return ScenePlan(scene=scene, regions=regions)


class Leisurely(Renderer):
    """Takes its time over each step, so that there is time to interrupt it."""

    def candidates(self, request: Any, count: int, on_step: Any = None) -> Any:
        return super().candidates(request, count, _slowly(on_step))

    def edit(self, picture: Any, revision: Any, on_step: Any = None) -> Any:
        return super().edit(picture, revision, _slowly(on_step))


def _slowly(on_step: Any) -> Any:
    def step(progress: Any) -> None:
        time.sleep(0.1)  # a real pause: Ctrl-C comes from a terminal, which cannot say when it has come
        if on_step:
            on_step(progress)

    return step


def sessions(folder: Path, agent: Agent) -> Sessions:
    return Sessions(agent.with_settings(sessions=folder), interpreter=ModelInterpreter(ByHeart()))


def main(folder: str, model: str, steps: str, session: str = "") -> None:
    from ditpipe.agent.cli.terminal import TerminalChat

    agent = Agent(
        renderer=Leisurely(model, device="cpu"), planner=FixedPlanner(), model=model, critic="none", size=96,
        steps=int(steps),
    )  # fmt: skip
    opened = sessions(Path(folder), agent)
    TerminalChat(opened, opened.open(session) if session else opened.new()).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
