"""An agent that tests share: a tiny renderer, a planner and a critic that need no model."""

from pathlib import Path

from chat_words import ByHeart
from PIL import Image
from plans import plan_of
from png_files import png_bytes

from ditpipe import Agent, Critique, Planner, Renderer, ScenePlan
from ditpipe.prompts.critique import RegionScore
from ditpipe.renderer.request import RenderRequest
from ditpipe.tools.api_schema import RenderInput
from ditpipe.tools.jobs.engine import Job
from ditpipe.tools.jobs.service import PictureService

PATIENCE = 600.0  # seconds that a call waits for its picture: more than a busy machine needs


class TwoThings(Planner):
    """A planner that answers every brief with the same two regions and the brief as the scene."""

    tuned = False

    def __init__(self) -> None:
        self.chat_model = ByHeart()

    def plan(self, brief: str) -> ScenePlan:
        plan = plan_of(2)
        return plan.model_copy(update={"scene": plan.scene.model_copy(update={"high_level": brief[:1000]})})


class Pleased:
    """A critic that likes everything."""

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        regions = [RegionScore(name=region.name, score=1, seen=region.prompt.text) for region in plan.regions]
        return Critique(score=1, regions=regions)


def tiny_agent(tiny: Renderer, folder: Path) -> Agent:
    return Agent(renderer=tiny, planner=TwoThings(), critic=Pleased(), steps=2, out=folder)


def drawn(service: PictureService, tiny: Renderer, *, caller: str = "local") -> str:
    """The id of a finished picture of `plan_of(2)`."""
    job = ended(service, service.submit("render", RenderInput(plan=plan_of(2), steps=2), caller=caller))
    assert job.status == "done", job
    return job.id


def ended(service: PictureService, job: Job) -> Job:
    """The job's last state."""
    *_, state = service.follow(job)
    assert isinstance(state, Job)
    return state


def expected(tiny: Renderer, plan: ScenePlan, *, seed: int = 0, steps: int = 2) -> bytes:
    """The file that the renderer alone makes of a plan."""
    return png_bytes(tiny.render(RenderRequest(plan=plan, model=tiny.model, seed=seed, steps=steps)))
