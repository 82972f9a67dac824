"""The loop with a tiny renderer, a scripted planner and a scripted critic: rounds, best, resume, repaint."""

import asyncio
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from plans import plan_of
from rich.console import Console
from scripted import scripted
from test_planner import BRIEF, GOOD
from tiny_models import saved

from ditpipe import Agent, Box, Planner, Renderer, ScenePlan
from ditpipe.agent.critic import Critic, EmbeddedCritic, VisionCritic, revise
from ditpipe.agent.rounds import Critiqued, Finished, Planned, Rendered, Revised, Stepped
from ditpipe.agent.show import show
from ditpipe.prompts.errors import CritiqueError, PlanningError, RunError
from ditpipe.prompts.scene import Critique, RegionScore
from ditpipe.renderer.picture import png_bytes, read_request


class Verdicts:
    """A critic that gives every region the next score of a list; `fail_at` raises on that call."""

    def __init__(self, *scores: float, fail_at: int | None = None) -> None:
        self.scores, self.calls, self.fail_at = list(scores), 0, fail_at

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        score = self.scores.pop(0)
        scores = [
            RegionScore(name=region.name, score=score, seen="?", problem="" if score > 0.5 else "?")
            for region in plan.regions
        ]
        return Critique(score=score, regions=scores)


def agent(tiny: Renderer, critic: Critic | None, tmp_path: Path, **options: Any) -> Agent:
    return Agent(renderer=tiny, critic=critic, size=96, steps=2, out=tmp_path / "runs", **options)


def plan() -> ScenePlan:
    with scripted(GOOD) as model:
        return Planner(model).plan(BRIEF)


def test_the_best_round_is_kept_not_the_last(tiny: Renderer, tmp_path: Path) -> None:
    painting = agent(tiny, Verdicts(0.3, 0.4, 0.2), tmp_path, rounds=3).paint(BRIEF, plan=plan())
    assert [one.score for one in painting.rounds] == [0.3, 0.4, 0.2]
    assert painting.best.number == 2
    assert painting.path.read_bytes() == painting.rounds[1].path.read_bytes()


def test_it_stops_when_every_region_is_good_enough(tiny: Renderer, tmp_path: Path) -> None:
    painting = agent(tiny, Verdicts(0.3, 0.9), tmp_path, rounds=5).paint(BRIEF, plan=plan())
    assert len(painting.rounds) == 2


def test_a_weak_region_is_drawn_from_new_noise(tiny: Renderer, tmp_path: Path) -> None:
    painting = agent(tiny, Verdicts(0.3, 0.9), tmp_path, rounds=2).paint(BRIEF, plan=plan())
    first, second = painting.rounds
    assert first.path.read_bytes() != second.path.read_bytes()
    assert {region.seed for region in first.plan.regions} == {None} and None not in {
        r.seed for r in second.plan.regions
    }


class LeftIsWeak:
    """A critic that finds the left region weak and the right one good."""

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        scores = [RegionScore(name=r.name, score=0.9 if r.box.left else 0.2, seen="?") for r in plan.regions]
        return Critique(score=0.5, regions=scores)


def test_what_came_out_well_is_kept_to_the_pixel(tiny: Renderer, tmp_path: Path) -> None:
    painter = Agent(renderer=tiny, critic=LeftIsWeak(), size=96, steps=2, rounds=2, out=tmp_path / "runs")
    first, second = painter.paint(BRIEF, plan=plan_of(2)).rounds
    assert second.request.edits[0].names == ["thing 0"]
    before, after = first.image, second.image
    right = (64, 0, 96, 96)  # beyond the left half and what the decoder reaches
    assert before.crop(right).tobytes() == after.crop(right).tobytes()
    assert before.crop((0, 0, 48, 96)).tobytes() != after.crop((0, 0, 48, 96)).tobytes()
    assert read_request(second.path) == second.request


def test_a_region_of_a_single_small_token_is_judged_too(tmp_path: Path) -> None:
    """Tokens of Stable Diffusion have 8 pixels; this region holds none of 16."""
    renderer = Renderer(str(saved("sd", tmp_path)), device="cpu")
    dot = Box(left=0.04, top=0.04, right=0.05, bottom=0.05)
    plan = plan_of(1).model_copy(update={"width": 256, "height": 256})
    plan = plan.model_copy(update={"regions": [plan.regions[0].model_copy(update={"box": dot})]})
    painter = Agent(renderer=renderer, critic=Verdicts(0.3, 0.9), size=256, steps=1, rounds=2, out=tmp_path / "runs")
    assert len(painter.paint(BRIEF, plan=plan).rounds) == 2


class Blind:
    """A critic that judges only the regions that it is told; its score is the mean of those."""

    def __init__(self, **scores: float) -> None:
        self.scores = {name.replace("_", " "): score for name, score in scores.items()}

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        regions = [
            RegionScore(name=r.name, score=self.scores.get(r.name), seen="?", problem="cannot judge it")
            for r in plan.regions
        ]
        judged = list(self.scores.values())
        return Critique(score=sum(judged) / len(judged) if judged else None, regions=regions)


def test_the_loop_ends_where_nothing_can_be_judged(tiny: Renderer, tmp_path: Path) -> None:
    (only,) = agent(tiny, Blind(), tmp_path, rounds=3, candidates=2).paint(BRIEF, plan=plan_of(2)).rounds
    assert only.score is None and only.path.name == "candidate-1.png"


def test_what_cannot_be_judged_is_kept_as_it_is(tiny: Renderer, tmp_path: Path) -> None:
    painting = agent(tiny, Blind(thing_0=0.1), tmp_path, rounds=2).paint(BRIEF, plan=plan_of(2))
    assert [one.score for one in painting.rounds] == [0.1, 0.1]
    assert painting.rounds[1].request.edits[0].names == ["thing 0"]


def test_by_default_only_pictures_of_the_pocket_model_are_judged(tiny: Renderer, tmp_path: Path) -> None:
    other = Agent(renderer=tiny, size=96, steps=2, out=tmp_path)
    assert other.critic is None and "are not judged" in other.unjudged
    assert other.paint(BRIEF, plan=plan()).best.score is None
    assert isinstance(Agent().critic, EmbeddedCritic) and not Agent().unjudged
    assert isinstance(Agent(renderer=tiny, critic="embedded").critic, EmbeddedCritic)
    assert not Agent(renderer=tiny, critic="none").unjudged


def test_the_terminal_says_that_nothing_was_judged(tiny: Renderer, tmp_path: Path) -> None:
    console = Console(file=StringIO(), width=200)
    show(agent(tiny, Blind(), tmp_path).stream(BRIEF, plan=plan()), console, rounds=3, planner="nobody")
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert "round 1: –" in told and "nothing is drawn again: no region could be judged" in told


def test_events_come_typed_and_in_order(tiny: Renderer, tmp_path: Path) -> None:
    events = list(agent(tiny, Verdicts(0.3, 0.9), tmp_path).stream(BRIEF, plan=plan()))
    kinds = [type(event) for event in events if not isinstance(event, Stepped)]
    assert kinds == [Planned, Rendered, Critiqued, Revised, Rendered, Critiqued, Finished]


def test_candidates_are_ranked_by_the_critic(tiny: Renderer, tmp_path: Path) -> None:
    painting = agent(tiny, Verdicts(0.2, 0.8, 0.5), tmp_path, candidates=3, rounds=1).paint(BRIEF, plan=plan())
    assert painting.best.path.name == "candidate-2.png" and painting.best.score == 0.8


def test_a_run_that_was_stopped_goes_on_from_its_last_finished_node(tiny: Renderer, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        agent(tiny, Verdicts(0.3, 0.9, fail_at=2), tmp_path).paint(BRIEF, plan=plan(), folder=folder)
    drawn = (folder / "round-2" / "candidate-1.png").stat().st_mtime_ns
    critic = Verdicts(0.9)
    *_, last = agent(tiny, critic, tmp_path).resume(folder)
    assert isinstance(last, Finished) and [one.score for one in last.painting.rounds] == [0.3, 0.9]
    assert critic.calls == 1 and (folder / "round-2" / "candidate-1.png").stat().st_mtime_ns == drawn


def test_a_run_goes_on_in_its_own_folder_wherever_that_is(
    tiny: Renderer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        agent(tiny, Verdicts(0.3, 0.9, fail_at=2), tmp_path).paint(BRIEF, plan=plan(), folder=Path("run"))
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    *_, last = agent(tiny, Verdicts(0.2, 0.1), tmp_path).resume(moved)
    assert isinstance(last, Finished) and last.painting.path == moved / "picture.png"
    assert last.painting.best.path == moved / "round-1" / "candidate-1.png"
    assert not list((tmp_path / "cwd").iterdir())


def test_a_changed_plan_for_a_run_that_waits_for_none_is_refused(tiny: Renderer, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    agent(tiny, None, tmp_path, rounds=1).paint(BRIEF, plan=plan(), folder=folder)
    *_, last = agent(tiny, None, tmp_path, rounds=1).resume(folder, approved=plan())
    assert isinstance(last, Finished)
    changed = plan().model_copy(update={"negative": "people"})
    with pytest.raises(RunError, match="had its yes already, and this one differs.*ditpipe render"):
        list(agent(tiny, None, tmp_path, rounds=1).resume(folder, approved=changed))


@pytest.mark.parametrize("record", [None, "[]", "{}", "{"])
def test_a_folder_without_a_run_cannot_be_resumed(tiny: Renderer, tmp_path: Path, record: str | None) -> None:
    if record:
        (tmp_path / "run.json").write_text(record)
    with pytest.raises(RunError, match="not a run folder"):
        list(agent(tiny, None, tmp_path).resume(tmp_path))


def test_a_run_whose_checkpoints_cannot_be_read_says_so(tiny: Renderer, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    agent(tiny, None, tmp_path, rounds=1).paint(BRIEF, plan=plan(), folder=folder)
    (folder / "checkpoints.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(RunError, match="cannot go on in"):
        list(agent(tiny, None, tmp_path, rounds=1).resume(folder))
    (folder / "checkpoints.sqlite").unlink()
    (folder / "checkpoints.sqlite").mkdir()
    with pytest.raises(RunError, match="cannot go on in .*unable to open"):
        list(agent(tiny, None, tmp_path, rounds=1).resume(folder))


def test_a_cancelled_painting_is_not_drawn_to_its_end(tiny: Renderer, tmp_path: Path) -> None:
    painter, folder = agent(tiny, None, tmp_path, rounds=1).under(steps=1000), tmp_path / "run"

    async def cancelled() -> None:
        painting = asyncio.create_task(painter.apaint(BRIEF, plan=plan(), folder=folder))
        while not (folder / "plan.json").exists():
            await asyncio.sleep(0.01)
        painting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await painting

    asyncio.run(cancelled())
    assert not (folder / "round-1").exists()


def test_a_stop_ends_one_run_only(tiny: Renderer, tmp_path: Path) -> None:
    painter = agent(tiny, None, tmp_path, rounds=1)
    painter.stop.set()
    assert painter.paint(BRIEF, plan=plan()).path.exists()


def test_a_stop_ends_a_run_before_its_next_node(tiny: Renderer, tmp_path: Path) -> None:
    critic = Verdicts()
    painter = agent(tiny, critic, tmp_path, rounds=1)
    with pytest.raises(KeyboardInterrupt):
        for event in painter.stream(BRIEF, plan=plan()):
            if isinstance(event, Rendered):
                painter.stop.set()
    assert critic.calls == 0
    waiting = agent(tiny, None, tmp_path, approve=True)
    with pytest.raises(KeyboardInterrupt):
        for event in waiting.stream(BRIEF, plan=plan()):
            waiting.stop.set()


def test_a_stop_ends_what_an_agent_of_the_same_models_draws_and_nothing_else(tiny: Renderer, tmp_path: Path) -> None:
    one = agent(tiny, None, tmp_path, rounds=1)
    other = one.under(steps=1000)
    one.stop.set()
    assert other.under(steps=2).paint(BRIEF, plan=plan()).path.exists()

    async def stopped() -> None:
        async for event in other.astream(BRIEF, plan=plan()):
            other.stop.set()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(stopped())


def test_repaint_makes_the_same_bytes(tiny: Renderer, tmp_path: Path) -> None:
    painting = agent(tiny, Verdicts(0.3, 0.9), tmp_path).paint(BRIEF, plan=plan())
    again = png_bytes(tiny.render(read_request(painting.path)))
    assert again == painting.path.read_bytes()


def test_the_run_folder_tells_the_whole_story(tiny: Renderer, tmp_path: Path) -> None:
    painting = agent(tiny, Verdicts(0.3, 0.9), tmp_path).paint(BRIEF, plan=plan())
    assert json.loads((painting.folder / "run.json").read_text())["brief"] == BRIEF
    assert ScenePlan.model_validate_json((painting.folder / "plan.json").read_text()) == painting.rounds[0].plan
    told = [json.loads(line)["event"] for line in (painting.folder / "events.jsonl").read_text().splitlines()]
    assert told == ["planned", "rendered", "critiqued", "revised", "rendered", "critiqued", "finished"]


async def _apaint(painter: Agent) -> list[object]:
    return [event async for event in painter.astream(BRIEF, plan=plan())]


def test_the_async_twin_gives_the_same_picture(tiny: Renderer, tmp_path: Path) -> None:
    import asyncio

    painting = agent(tiny, Verdicts(0.9), tmp_path).paint(BRIEF, plan=plan())
    last = asyncio.run(_apaint(agent(tiny, Verdicts(0.9), tmp_path)))[-1]
    assert isinstance(last, Finished) and last.painting.path.read_bytes() == painting.path.read_bytes()


def verdict(*names: str) -> str:
    rows = [{"name": name, "score": 0.2, "seen": "a blob", "problem": "no " + name} for name in names]
    return json.dumps({"score": 0.2, "regions": rows, "summary": "blobs"})


def test_a_vision_critic_is_repaired_like_the_planner() -> None:
    with scripted("hm", verdict("cat"), verdict("cat", "rocket")) as model:
        critique = VisionCritic(model).critique(Image.new("RGB", (96, 96)), plan())
    assert [one.name for one in critique.regions] == ["cat", "rocket"]
    assert "exactly one entry for each of cat, rocket" in model.asked[2][-1].content
    with scripted("a", "b", "c") as model, pytest.raises(CritiqueError) as caught:
        VisionCritic(model).critique(Image.new("RGB", (96, 96)), plan())
    assert caught.value.reply == "c"


def test_the_last_invalid_reply_is_kept_in_the_run_folder(tiny: Renderer, tmp_path: Path) -> None:
    with scripted("hm", "no", "a cat, perhaps") as model, pytest.raises(PlanningError, match=r"in .*reply\.txt"):
        Agent(renderer=tiny, planner=Planner(model)).paint(BRIEF, folder=tmp_path / "run")
    assert (tmp_path / "run" / "reply.txt").read_text() == "a cat, perhaps"


def test_a_second_revision_also_asks_more_strongly() -> None:
    weak = Critique(
        score=0.4,
        regions=[RegionScore(name="cat", score=0.1, seen="dog"), RegionScore(name="rocket", score=0.9, seen="")],
    )
    first, second = revise(plan(), weak, round_number=1), revise(plan(), weak, round_number=2)
    assert first and second and [change.name for change in first.changes] == ["cat"]
    stronger = second.changes[0].prompt
    assert first.changes[0].prompt is None and stronger and stronger.low_level == "bright striped red"
    assert first.changes[0].seed != second.changes[0].seed
    assert revise(plan(), weak, round_number=1, threshold=0.05) is None


def test_a_third_revision_moves_the_box_where_there_is_room() -> None:
    weak = Critique(score=0.1, regions=[RegionScore(name="thing 0", score=0.1, seen="dog")])
    corner = plan_of(1).model_copy(update={"regions": [plan_of(4).regions[0]]})  # the top left quarter, alone
    second, third = revise(corner, weak, round_number=2), revise(corner, weak, round_number=3)
    assert second and second.changes[0].box is None
    assert third and third.changes[0].box == Box(left=0, top=0, right=0.6, bottom=0.6)
    crowded = revise(plan_of(4), weak, round_number=3)
    assert crowded and crowded.changes[0].box is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_disk_that_fills_up_half_way_loses_nothing(tiny: Renderer, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "round-2").mkdir(parents=True)
    (folder / "round-2" / "candidate-1.png.part").symlink_to("/dev/full")
    with pytest.raises(RunError, match="candidate-1.png: No space left on device"):
        agent(tiny, Verdicts(0.3), tmp_path).paint(BRIEF, plan=plan(), folder=folder)
    painting = agent(tiny, Verdicts(0.9), tmp_path)
    events = list(painting.resume(folder))
    assert [type(event) for event in events if not isinstance(event, Stepped)] == [Rendered, Critiqued, Finished]
