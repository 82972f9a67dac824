"""The whole loop with a real language model that nobody tuned to plan, on the path of any capable one.

SmolLM2-135M is a hundred times smaller than what people name as their planner and makes nearly every mistake there is:
what is checked is that its answers end, that a plan comes of them, is drawn, and says what it lacks, and that the
picture is revised or that the run says why it is not. Some 3,000 tokens: one to three minutes of processor time.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from critics import Verdicts
from pydantic import SecretStr

from ditpipe import Agent, Planner, Renderer, ScenePlan
from ditpipe.agent.events import Finished, Planned, Revised
from ditpipe.agent.llm.local_models import EMBEDDED
from ditpipe.agent.llm.local_server import base_weights
from ditpipe.agent.llm.openai_compatible import OpenAICompatible
from ditpipe.renderer.pictures.artifacts import read_request

BRIEF = "a red cat on the left and a blue rocket on the right, no people"
TOKENS = 640  # of an answer at most, as a small server's context leaves: without lengths that fit, none ends


@contextmanager
def as_published() -> Iterator[OpenAICompatible]:
    """The model without ditpipe's adapters, behind llama.cpp."""
    command = [sys.executable, "-P", "-m", "ditpipe.agent.llm.local_server", "0", str(base_weights(EMBEDDED))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = next(line.strip() for line in server.stdout if line.startswith("http://")) + "/v1"
        yield OpenAICompatible(
            model="as-published", base_url=url, api_key=SecretStr("none"), temperature=0, timeout=3000, max_retries=0,
            extra_body={"n_predict": TOKENS},
        )  # fmt: skip
        server.terminate()


@pytest.mark.slow
def test_a_small_model_plans_and_revises_in_the_loop(tiny: Renderer, tmp_path: Path) -> None:
    with as_published() as model:
        planner, critic = Planner(model, width=96, height=96), Verdicts(0.2, 0.9)
        agent = Agent(renderer=tiny, planner=planner, critic=critic, steps=1, rounds=2, threshold=0.5, out=tmp_path)
        events = list(agent.stream(BRIEF))
    (plan,) = [event.plan for event in events if isinstance(event, Planned)]
    assert ScenePlan.model_validate_json(plan.model_dump_json()) == plan and plan.size == (96, 96)
    assert plan.regions and any("was cut off at its limit of tokens" in note for note in plan.notes)
    revisions = [event.revision for event in events if isinstance(event, Revised)]
    assert isinstance(finished := events[-1], Finished)
    painting = finished.painting
    assert len(painting.rounds) == 1 + len(revisions) and "was cut off" not in painting.halted
    if revisions:
        assert painting.best.number == 2 and list(read_request(painting.path).edits) == revisions
    elif painting.halted:
        assert "the reviser's answer stayed invalid after 2 repairs" in painting.halted
