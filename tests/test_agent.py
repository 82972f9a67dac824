"""The loop with a tiny renderer, a scripted planner and a scripted critic: rounds, best, resume, repaint."""

import asyncio
import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from critics import Blind, ByRegion, Verdicts
from PIL import Image
from planner_replies import BRIEF, GOOD
from plans import plan_of
from png_files import png_bytes
from rich.console import Console
from scripted import scripted
from tiny_models import saved
from waiting import auntil

from ditpipe import Agent, Box, LeveledPrompt, Planner, Renderer, RenderRequest, Revision, ScenePlan
from ditpipe.agent.cli.display import show
from ditpipe.agent.events import Compared, Critiqued, Event, Finished, Painting, Planned, Rendered, Revised, Stepped
from ditpipe.agent.loop import build_graph
from ditpipe.agent.refine.critic import Critic, EmbeddedCritic
from ditpipe.agent.refine.reviser import revise
from ditpipe.agent.runs.entry import Entry
from ditpipe.agent.settings import Settings
from ditpipe.prompts.critique import Critique, RegionScore
from ditpipe.prompts.errors import JobCancelled, PlanningError, RunError
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.pictures.artifacts import (
    open_image,
    read_metadata,
    read_request,
    read_result,
    write_result,
)
from ditpipe.renderer.request import LocalResult, RenderResult
from ditpipe.tools.jobs.job_events import event_from_json


def agent(tiny: Renderer, critic: Critic | None, tmp_path: Path, **options: Any) -> Agent:
    return Agent(renderer=tiny, critic=critic, size=96, steps=2, out=tmp_path / "runs", **options)


def plan() -> ScenePlan:
    with scripted(GOOD) as model:
        return Planner(model).plan(BRIEF)


def test_the_best_round_is_kept_not_the_last(tiny: Renderer, tmp_path: Path) -> None:
    painting = agent(tiny, Verdicts(0.3, 0.4, 0.2), tmp_path, rounds=3).paint(BRIEF, plan=plan())
    assert [each.score for each in painting.rounds] == [0.3, 0.4, 0.2]
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


def changed(painter: Agent, tmp_path: Path, **more: Any) -> tuple[list[Any], Painting]:
    """Events and painting of a run that makes the left thing of a finished picture green."""
    base = tmp_path / "base.png"
    write_result(base, painter.renderer.render(painter.request(plan_of(2))))
    green = LeveledPrompt(high_level="a", low_level="green")
    revision = Revision(changes=[RegionChange(name="thing 0", prompt=green)])
    events = list(painter.stream("green", plan=revision.apply(plan_of(2)), base=base, **more))
    assert isinstance(events[-1], Finished)
    return events, events[-1].painting


def test_a_change_that_spoils_what_was_there_leaves_the_picture_as_it_was(tiny: Renderer, tmp_path: Path) -> None:
    critic = ByRegion(thing_0=[0.92, 0.0, 0.1, 0.0], thing_1=[0.9])
    events, painting = changed(agent(tiny, critic, tmp_path, rounds=3), tmp_path)
    assert len(painting.rounds) == 3 and painting.best.number == 0 and painting.best_try.number == 2
    assert (
        painting.best.plan == plan_of(2) and painting.best.critique and painting.best.critique.regions[0].score == 0.92
    )
    assert open_image(painting.path).tobytes() == open_image(tmp_path / "base.png").tobytes()
    note = "the picture is as it was: in the best of 3 tries 'thing 0' came out worse (0.10, before 0.92)"
    assert read_metadata(painting.path) == (read_request(tmp_path / "base.png"), (note,))
    assert isinstance(read_result(painting.path), RenderResult)  # its latents came with it
    compared = [event.comparison.lost[0].after for event in events if isinstance(event, Compared)]
    assert compared == [0.0, 0.1, 0.0]
    log = [json.loads(line) for line in (painting.folder / "events.jsonl").read_text().splitlines()]
    assert [row["comparison"]["lost"][0]["name"] for row in log if row["event"] == "compared"] == 3 * ["thing 0"]
    assert log[-1]["best"] == 0


def test_each_round_of_a_change_begins_with_the_picture_before(tiny: Renderer, tmp_path: Path) -> None:
    critic = ByRegion(thing_0=[0.9, 0.1, 0.2, 0.9], thing_1=[0.9])
    _, painting = changed(agent(tiny, critic, tmp_path, rounds=3), tmp_path)
    assert painting.best.number == 3 and not painting.notes
    assert [len(each.request.edits) for each in painting.rounds] == [1, 1, 1]
    assert len({each.plan.region("thing 0").seed for each in painting.rounds}) == 3


def test_a_change_that_spoils_a_neighbour_is_tried_from_other_noise(tiny: Renderer, tmp_path: Path) -> None:
    critic = ByRegion(thing_0=[0.9], thing_1=[0.9, 0.08, 0.9])
    _, painting = changed(agent(tiny, critic, tmp_path, rounds=3), tmp_path)
    first, second = painting.rounds
    assert first.comparison and first.comparison.is_worse and painting.best == second
    assert second.plan.region("thing 1") == first.plan.region("thing 1")
    assert second.plan.region("thing 0").seed != first.plan.region("thing 0").seed


def test_what_was_tried_before_is_not_tried_again(tiny: Renderer, tmp_path: Path) -> None:
    def plans(tried: list[ScenePlan]) -> list[ScenePlan]:
        critic = ByRegion(thing_0=[0.9, 0.1], thing_1=[0.9])
        _, painting = changed(agent(tiny, critic, tmp_path, rounds=2), tmp_path, tried=tried)
        return [each.plan for each in painting.rounds]

    first = plans([])
    second = plans(first)
    third = plans([*first, *second])
    seeds = [plan.region("thing 0").seed for plan in [*first, *second, *third]]
    assert len(seeds) == 6 == len(set(seeds))


def test_the_critique_of_the_picture_before_is_not_asked_for_twice(tiny: Renderer, tmp_path: Path) -> None:
    before = Critique(score=0.9, regions=[RegionScore(name=f"thing {i}", score=0.9, seen="?") for i in (0, 1)])
    critic = Verdicts(0.9)
    _, painting = changed(agent(tiny, critic, tmp_path), tmp_path, judged=before)
    assert critic.calls == 1 and painting.before and painting.before.critique == before


class SameAgain:
    """Steps of a loop whose pictures are weak and whose revision changes nothing."""

    def __init__(self) -> None:
        self.drawn: list[Path] = []

    def plan(self, brief: str) -> ScenePlan:
        return plan_of(1)

    def render(
        self, plan: ScenePlan, best: Entry | None, paths: Sequence[Path], *, number: int, reason: str
    ) -> list[RenderResult]:
        self.drawn += paths
        request = RenderRequest(plan=plan)
        image, latents = Image.new("RGB", (8, 8)), torch.zeros(1)
        return [RenderResult(request, image, latents, seconds=0.0) for _ in paths]

    def emit(self, event: Event) -> None:
        pass

    def base_entry(self) -> Entry | None:
        return None

    def critique(self, entry: Entry, base: Entry | None) -> Entry:
        weak = Critique(score=0.1, regions=[RegionScore(name="thing 0", score=0.1, seen="?")])
        return entry.model_copy(update={"critique": weak})

    def revise(self, best: Entry, rounds: list[Entry]) -> Revision | None:
        return Revision(changes=[RegionChange(name="thing 0")])


def test_a_revision_that_changes_nothing_ends_the_loop(tmp_path: Path) -> None:
    """Given to the graph itself: the reviser always finds other seeds."""
    steps = SameAgain()
    state = build_graph(Settings(rounds=3), folder=tmp_path, steps=steps).compile().invoke({"brief": "a"})
    assert state["done"] and len(state["tried"]) == len(steps.drawn) == 1


def test_the_loop_ends_where_nothing_can_be_judged(tiny: Renderer, tmp_path: Path) -> None:
    (only,) = agent(tiny, Blind(), tmp_path, rounds=3, candidates=2).paint(BRIEF, plan=plan_of(2)).rounds
    assert only.score is None and only.path.name == "candidate-1.png"


def test_a_plan_without_regions_is_painted_once(tiny: Renderer, tmp_path: Path) -> None:
    beach = ScenePlan(scene=LeveledPrompt(high_level="an empty beach"), negative="people", regions=[])
    (only,) = agent(tiny, Blind(), tmp_path, rounds=3).paint(BRIEF, plan=beach).rounds
    assert only.score is None and only.plan.negative == "people"


def test_what_cannot_be_judged_is_kept_as_it_is(tiny: Renderer, tmp_path: Path) -> None:
    painting = agent(tiny, Blind(thing_0=0.1), tmp_path, rounds=2).paint(BRIEF, plan=plan_of(2))
    assert [each.score for each in painting.rounds] == [0.1, 0.1]
    assert painting.rounds[1].request.edits[0].names == ["thing 0"]


def test_by_default_only_pictures_of_the_pocket_model_are_judged(tiny: Renderer, tmp_path: Path) -> None:
    other = Agent(renderer=tiny, size=96, steps=2, out=tmp_path)
    assert other.critic is None and "are not judged" in other.no_critic_reason
    assert other.paint(BRIEF, plan=plan()).best.score is None
    assert isinstance(Agent().critic, EmbeddedCritic) and not Agent().no_critic_reason
    assert isinstance(Agent(renderer=tiny, critic="embedded").critic, EmbeddedCritic)
    assert not Agent(renderer=tiny, critic="none").no_critic_reason


def test_the_terminal_says_that_nothing_was_judged(tiny: Renderer, tmp_path: Path) -> None:
    console = Console(file=StringIO(), width=200)
    show(agent(tiny, Blind(), tmp_path).stream(BRIEF, plan=plan()), console, rounds=3, planner="nobody")
    screen = console.file.getvalue()  # type: ignore[attr-defined]
    assert "round 1: –" in screen and "nothing is drawn again: no region could be judged" in screen


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
    assert isinstance(last, Finished) and [each.score for each in last.painting.rounds] == [0.3, 0.9]
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


def test_a_run_that_is_being_drawn_is_not_drawn_by_somebody_else(tiny: Renderer, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    class Meanwhile:
        def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
            with pytest.raises(RunError, match="being drawn already"):
                list(agent(tiny, None, tmp_path, rounds=1).resume(folder))
            return Critique(score=1, regions=[])

    agent(tiny, Meanwhile(), tmp_path, rounds=1).paint(BRIEF, plan=plan(), folder=folder)
    *_, last = agent(tiny, None, tmp_path, rounds=1).resume(folder)
    assert isinstance(last, Finished)


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
    painter, folder = agent(tiny, None, tmp_path, rounds=1).with_settings(steps=1000), tmp_path / "run"

    async def cancelled() -> None:
        painting = asyncio.create_task(painter.apaint(BRIEF, plan=plan(), folder=folder))
        await auntil((folder / "plan.json").exists)
        painting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await painting

    asyncio.run(cancelled())
    assert not (folder / "round-1").exists()


def test_a_stop_ends_one_run_only(tiny: Renderer, tmp_path: Path) -> None:
    painter = agent(tiny, None, tmp_path, rounds=1)
    painter.stop()
    assert painter.paint(BRIEF, plan=plan()).path.exists()


class Stops(Verdicts):
    """A critic that stops its agent while it judges."""

    painter: Agent

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        self.painter.stop()
        return super().critique(image, plan)


def test_a_stop_ends_a_run_before_its_next_node(tiny: Renderer, tmp_path: Path) -> None:
    critic = Stops(0.3)
    critic.painter = agent(tiny, critic, tmp_path, rounds=3)
    events = critic.painter.stream(BRIEF, plan=plan(), folder=tmp_path / "run")
    with pytest.raises(JobCancelled):
        list(events)
    assert critic.calls == 1 and not (tmp_path / "run" / "round-2").exists()
    assert isinstance(list(agent(tiny, Verdicts(0.9), tmp_path).resume(tmp_path / "run"))[-1], Finished)


def test_a_run_whose_reader_leaves_is_not_drawn_to_its_end(tiny: Renderer, tmp_path: Path) -> None:
    painter = agent(tiny, None, tmp_path, rounds=1).with_settings(steps=1000)
    assert isinstance(next(iter(painter.stream(BRIEF, plan=plan(), folder=tmp_path / "run"))), Planned)
    assert not (tmp_path / "run" / "round-1").exists()


def test_two_runners_of_a_process_never_draw_at_once(tiny_folder: Path, tmp_path: Path) -> None:
    at_work, most = [0], [0]

    class Watched(Renderer):
        def candidates(self, request: RenderRequest, count: int, on_step: Any = None) -> list[LocalResult]:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
            try:
                return super().candidates(request, count, on_step)
            finally:
                at_work[0] -= 1

    agents = [agent(Watched(str(tiny_folder), device="cpu"), None, tmp_path, rounds=1) for _ in range(3)]

    async def all_at_once() -> list[Painting]:
        return await asyncio.gather(*(each.apaint(BRIEF, plan=plan()) for each in agents))

    assert len({painting.folder for painting in asyncio.run(all_at_once())}) == 3 and most == [1]


def test_a_stop_ends_what_an_agent_of_the_same_models_draws_and_nothing_else(tiny: Renderer, tmp_path: Path) -> None:
    one = agent(tiny, None, tmp_path, rounds=1)
    other = one.with_settings(steps=1000)
    one.stop()
    assert other.with_settings(steps=2).paint(BRIEF, plan=plan()).path.exists()

    async def stopped() -> None:
        async for event in other.astream(BRIEF, plan=plan()):
            other.stop()

    with pytest.raises(JobCancelled):
        asyncio.run(stopped())


def test_repaint_makes_the_same_bytes(tiny: Renderer, tmp_path: Path) -> None:
    painting = agent(tiny, Verdicts(0.3, 0.9), tmp_path).paint(BRIEF, plan=plan())
    again = png_bytes(tiny.render(read_request(painting.path)))
    assert again == painting.path.read_bytes()


def test_the_run_folder_tells_the_whole_story(tiny: Renderer, tmp_path: Path) -> None:
    painting = agent(tiny, Verdicts(0.3, 0.9), tmp_path).paint(BRIEF, plan=plan())
    assert json.loads((painting.folder / "run.json").read_text())["brief"] == BRIEF
    assert ScenePlan.model_validate_json((painting.folder / "plan.json").read_text()) == painting.rounds[0].plan
    events = [json.loads(line)["event"] for line in (painting.folder / "events.jsonl").read_text().splitlines()]
    assert events == ["planned", "rendered", "critiqued", "revised", "rendered", "critiqued", "finished"]


async def _events(painter: Agent) -> list[Event]:
    return [event async for event in painter.astream(BRIEF, plan=plan(), previews=1)]


def test_with_and_without_an_event_loop_the_events_and_the_picture_are_the_same(tiny: Renderer, tmp_path: Path) -> None:
    events = list(agent(tiny, Verdicts(0.3, 0.9), tmp_path).stream(BRIEF, plan=plan(), previews=1))
    others = asyncio.run(_events(agent(tiny, Verdicts(0.3, 0.9), tmp_path)))
    assert [type(event) for event in events] == [type(event) for event in others]
    steps = [event for event in events if isinstance(event, Stepped)]
    assert steps == [event for event in others if isinstance(event, Stepped)] and all(s.preview for s in steps[::2])
    (one, other) = (event[-1] for event in (events, others))
    assert isinstance(one, Finished) and isinstance(other, Finished)
    assert one.painting.path.read_bytes() == other.painting.path.read_bytes()


def test_events_are_json(tiny: Renderer, tmp_path: Path) -> None:
    for event in agent(tiny, Verdicts(0.3, 0.9), tmp_path).stream(BRIEF, plan=plan(), previews=1):
        assert event_from_json(type(event), json.loads(json.dumps(event.as_json()))) == event
        assert str(tmp_path) not in json.dumps(event.public_json())


def test_the_last_invalid_reply_is_kept_in_the_run_folder(tiny: Renderer, tmp_path: Path) -> None:
    with scripted("hm", "no", "a cat, perhaps") as model, pytest.raises(PlanningError, match=r"in .*reply\.txt"):
        Agent(renderer=tiny, planner=Planner(model)).paint(BRIEF, folder=tmp_path / "run")
    assert (tmp_path / "run" / "reply.txt").read_text() == "a cat, perhaps"


def test_the_rule_leaves_the_words_as_they_are() -> None:
    weak = Critique(
        score=0.4,
        regions=[RegionScore(name="cat", score=0.1, seen="dog"), RegionScore(name="rocket", score=0.9, seen="")],
    )
    first, second = revise(plan(), weak, round_number=1), revise(plan(), weak, round_number=2)
    assert first and second and [change.name for change in first.changes] == ["cat"]
    assert first.changes[0].prompt is None and second.changes[0].prompt is None
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


def test_a_picture_that_cannot_be_written_half_way_loses_nothing(tiny: Renderer, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    blocked = folder / "round-2" / "candidate-1.png.part"
    blocked.mkdir(parents=True)
    with pytest.raises(RunError, match="candidate-1.png: Is a directory"):
        agent(tiny, Verdicts(0.3), tmp_path).paint(BRIEF, plan=plan(), folder=folder)
    blocked.rmdir()
    painting = agent(tiny, Verdicts(0.9), tmp_path)
    events = list(painting.resume(folder))
    assert [type(event) for event in events if not isinstance(event, Stepped)] == [Rendered, Critiqued, Finished]
