"""The queue and its workers: fair, bounded, cancellable, and nothing is lost when the process is."""

import signal
import subprocess
import sys
import threading
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fakes import ended, expected
from filelock import FileLock
from PIL import Image
from plans import plan_of
from waiting import PATIENCE, until

from ditpipe import Renderer, Revision
from ditpipe.prompts.errors import QueueFull, RunError, UnknownPicture
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.pictures.artifacts import read_request
from ditpipe.renderer.request import RenderRequest, Step
from ditpipe.tools.api_schema import EditInput, RenderInput
from ditpipe.tools.jobs.engine import Job, JobContext, JobHandler
from ditpipe.tools.jobs.handlers import renderer_handlers
from ditpipe.tools.jobs.job_events import JobEvent, Stepped
from ditpipe.tools.jobs.local_engine import LocalEngine
from ditpipe.tools.jobs.queue import MAX_ATTEMPTS, JobQueue
from ditpipe.tools.jobs.service import PictureService


class Brush:
    """A handler that paints one colour in `steps` steps and records the colours; `hold` makes it wait for `go`."""

    def __init__(self, *, steps: int = 1, hold: bool = False) -> None:
        self.colours: list[Any] = []
        self.steps_done: Counter[str] = Counter()
        self.steps, self.go = steps, threading.Event()
        if not hold:
            self.go.set()

    def __call__(self, payload: dict[str, Any], context: JobContext) -> bytes:
        self.colours.append(payload["colour"])
        picture = Image.new("RGB", (64, 64), payload["colour"])
        for index in range(1, self.steps + 1):
            self.go.wait(PATIENCE)
            self.steps_done[payload["colour"]] += 1
            context.on_step(Step(index, self.steps, lambda: picture.resize((8, 8))))
        buffer = BytesIO()
        picture.save(buffer, "PNG")
        return buffer.getvalue()


def service_in(folder: Path, brush: JobHandler) -> PictureService:
    return PictureService(LocalEngine(folder, {"cpu": {"brush": brush}}), patience=600)


def submit(service: PictureService, colour: str, caller: str = "ann", previews: int = 0) -> Job:
    return service.jobs.submit("brush", {"colour": colour}, caller=caller, previews=previews)


def test_callers_take_turns_however_much_one_of_them_submits(tmp_path: Path) -> None:
    brush = Brush(hold=True)
    service = service_in(tmp_path, brush)
    ann = [submit(service, f"#00000{i}", "ann") for i in range(4)]
    until(lambda: brush.colours)
    bob = [submit(service, f"#ff000{i}", "bob") for i in range(2)]
    brush.go.set()
    assert [ended(service, job).status for job in [*ann, *bob]] == ["done"] * 6
    assert brush.colours == ["#000000", "#ff0000", "#000001", "#ff0001", "#000002", "#000003"]
    service.jobs.close()


def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "jobs.sqlite", capacity=3, share=2)
    for caller in ("ann", "ann", "bob"):
        queue.add("brush", {}, caller=caller)
    with pytest.raises(QueueFull, match="the queue is full: 3 pictures are waiting") as full:
        queue.add("brush", {}, caller="eve")
    assert full.value.retry_after >= 1
    queue.cancel(queue.recent("bob")[0].id, caller="bob")
    with pytest.raises(QueueFull, match="2 of your pictures"):  # ann cannot take everybody's places
        queue.add("brush", {}, caller="ann")
    queue.add("brush", {}, caller="eve")


def test_a_cancel_reaches_a_handler_between_its_steps(tmp_path: Path) -> None:
    started = threading.Event()

    def plans(payload: dict[str, Any], context: JobContext) -> bytes:
        started.set()
        assert context.stop.wait(PATIENCE)
        context.raise_if_stopped()
        raise AssertionError("the cancel did not reach it")

    service = service_in(tmp_path, plans)
    job = submit(service, "red")
    assert started.wait(PATIENCE)
    service.jobs.cancel(job.id, caller="ann")
    second = submit(service, "blue")
    until(lambda: service.jobs.get(second.id, caller="ann").status == "running")
    assert service.jobs.get(job.id, caller="ann").status == "cancelled"
    service.jobs.close()
    assert service.jobs.get(second.id, caller="ann").status == "queued"


async def test_a_job_is_followed_in_the_same_way_with_and_without_an_event_loop(tmp_path: Path) -> None:
    service = service_in(tmp_path, Brush(steps=3))
    changes = [change async for change in service.afollow(submit(service, "red"))]
    states = [change for change in changes if isinstance(change, Job)]
    assert states[-1] == changes[-1] and states[-1].status == "done"
    assert [state.step for state in states] == sorted(state.step for state in states)
    events = [change for change in changes if isinstance(change, JobEvent)]
    assert events == [Stepped(1, index, 3) for index in (1, 2, 3)]
    assert [change for change in service.follow(states[0]) if isinstance(change, JobEvent)] == events
    service.jobs.close()


@pytest.mark.process
def test_a_cancel_reaches_a_job_of_another_process_within_one_step(tmp_path: Path) -> None:
    brush = Brush(steps=1000, hold=True)
    here, elsewhere = service_in(tmp_path, brush), JobQueue(tmp_path / "jobs.sqlite")  # all that a process shares
    job = submit(here, "red")
    until(lambda: brush.colours)
    assert elsewhere.cancel(job.id, caller="ann").status == "cancelled"
    brush.go.set()
    ended(here, submit(here, "blue"))
    assert brush.steps_done["red"] == 1 and here.jobs.get(job.id, caller="ann").step == 0
    here.jobs.close()


def test_a_running_job_is_cancelled_within_one_step(tmp_path: Path) -> None:
    brush = Brush(steps=100, hold=True)
    service = service_in(tmp_path, brush)
    job = submit(service, "red")
    until(lambda: brush.colours)
    service.jobs.cancel(job.id, caller="ann")
    brush.go.set()
    second = ended(service, submit(service, "blue"))
    assert (ended(service, job).status, ended(service, job).step) == ("cancelled", 0) and second.status == "done"
    assert not service.jobs.file(job).exists()
    service.jobs.close()


def test_a_waiting_job_that_is_cancelled_is_never_drawn(tmp_path: Path) -> None:
    brush = Brush(hold=True)
    service = service_in(tmp_path, brush)
    first, second, third = (submit(service, colour) for colour in ("red", "blue", "green"))
    service.jobs.cancel(second.id, caller="ann")
    brush.go.set()
    assert [ended(service, job).status for job in (first, second, third)] == ["done", "cancelled", "done"]
    assert brush.colours == ["red", "green"]
    service.jobs.close()


def test_previews_come_on_the_way(tmp_path: Path) -> None:
    service = service_in(tmp_path, Brush(steps=8))
    job = ended(service, submit(service, "red", previews=3))
    steps = [event for event in service.jobs.events(job) if isinstance(event, Stepped)]
    previews = {step.index: Image.open(BytesIO(step.preview)).size for step in steps if step.preview}
    assert previews == {2: (8, 8), 4: (8, 8), 6: (8, 8)} and (job.step, job.steps) == (8, 8)
    assert Image.open(service.jobs.file(job, "small")).size == (32, 32)
    service.jobs.close()


def test_a_fault_is_one_line_and_the_worker_goes_on(tmp_path: Path) -> None:
    def faulty(payload: dict[str, Any], context: JobContext) -> bytes:
        raise {"user": ValueError("the canvas\nis round"), "bug": KeyError("secret")}[payload["colour"]]

    service = service_in(tmp_path, faulty)
    assert ended(service, submit(service, "user")).error == "the canvas is round"
    assert ended(service, submit(service, "bug")).error == "an internal error; the log says more"
    assert "no handler for 'sculpt'" in ended(service, service.jobs.submit("sculpt", {}, caller="ann")).error
    service.jobs.close()


def test_ids_of_others_and_ids_of_nobody_look_the_same(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "jobs.sqlite")
    job = queue.add("brush", {}, caller="ann")
    for act in (queue.get, queue.cancel):
        for job_id, caller in ((job.id, "bob"), ("0" * 32, "ann")):
            with pytest.raises(UnknownPicture, match="no picture"):
                act(job_id, caller=caller)
    assert queue.recent("bob") == [] and queue.get(job.id, caller="ann").status == "queued"


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot keep the queue in"):
        service_in(tmp_path / "file", Brush())


def test_twenty_jobs_and_three_engines_draw_each_picture_once(tmp_path: Path) -> None:
    brush = Brush(steps=2)
    services = [service_in(tmp_path, brush) for _ in range(3)]
    colours = [f"#0000{i:02x}" for i in range(20)]
    jobs = [submit(services[i % 3], colour, caller=f"caller {i}") for i, colour in enumerate(colours)]
    for job, colour in zip(jobs, colours, strict=True):
        assert ended(services[0], job).status == "done"
        assert Image.open(services[0].jobs.file(job)).getpixel((0, 0)) == (0, 0, int(colour[5:], 16))
    assert Counter(brush.colours) == Counter(colours)
    for service in services:
        service.jobs.close()


def test_a_job_that_a_closing_engine_interrupts_is_drawn_by_the_next_engine(tmp_path: Path) -> None:
    brush = Brush(steps=50, hold=True)
    service = service_in(tmp_path, brush)
    job, waiting = submit(service, "red"), submit(service, "blue")
    until(lambda: brush.colours)
    threading.Timer(0.1, brush.go.set).start()
    service.jobs.close()
    again = service_in(tmp_path, Brush())
    assert again.jobs.get(job.id, caller="ann").status == "queued"
    again.jobs.open()
    assert [ended(again, submitted).status for submitted in (job, waiting)] == ["done", "done"]
    again.jobs.close()


def test_a_cancelled_job_leaves_no_files_though_its_engine_closes(tmp_path: Path) -> None:
    def draw(payload: dict[str, Any], context: JobContext) -> bytes:
        context.folder.mkdir(parents=True)
        context.interrupted.wait(PATIENCE)
        context.raise_if_stopped()
        raise AssertionError("it was to end")

    service = service_in(tmp_path, draw)
    job = submit(service, "red")
    until(lambda: service.jobs.job_folder(job).exists())
    service.jobs.cancel(job.id, caller="ann")
    service.jobs.close()
    assert not service.jobs.job_folder(job).exists()


def test_closing_does_not_count_as_an_attempt(tmp_path: Path) -> None:
    for _ in range(MAX_ATTEMPTS + 1):
        brush = Brush(steps=50, hold=True)
        service = service_in(tmp_path, brush)
        job = submit(service, "red") if not service.jobs.recent("ann") else service.jobs.recent("ann")[0]
        service.jobs.open()
        until(lambda: brush.colours)
        threading.Timer(0.05, brush.go.set).start()
        service.jobs.close()
    again = service_in(tmp_path, Brush())
    again.jobs.open()
    assert ended(again, job).status == "done"
    again.jobs.close()


def test_what_ran_on_a_device_that_is_gone_is_drawn_on_another(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "jobs.sqlite")
    job, other = (queue.add("brush", {"colour": colour}, caller="ann") for colour in ("red", "blue"))
    assert queue.claim("cuda:0") and queue.claim("cuda:1")
    service = service_in(tmp_path, Brush())
    with FileLock(tmp_path / "cuda-1.lock"):  # another process is at work there
        service.jobs.open()
        assert ended(service, job).status == "done"
        assert service.jobs.get(other.id, caller="ann").status == "running"
    service.jobs.close()


def test_a_removed_picture_leaves_nothing_behind_but_its_callers_turn(tmp_path: Path) -> None:
    def handler(payload: dict[str, Any], context: JobContext) -> bytes:
        context.folder.mkdir(parents=True)
        (context.folder / "note").write_text("")
        return brush(payload, context)

    brush = Brush()
    service = service_in(tmp_path, handler)
    job = ended(service, submit(service, "red", previews=1))
    brush.go.clear()
    holding = submit(service, "green", "bob")
    until(lambda: brush.colours[-1] == "green")
    waiting = [submit(service, "white", "ann"), submit(service, "black", "eve")]
    service.jobs.remove(job)
    assert not list(tmp_path.rglob(f"*{job.id}*"))
    with pytest.raises(UnknownPicture):
        service.jobs.get(job.id, caller="ann")
    service.jobs.remove(holding)  # it is not finished
    brush.go.set()
    assert [ended(service, now).status for now in [holding, *waiting]] == ["done"] * 3
    assert brush.colours[-2:] == ["black", "white"]
    service.jobs.close()


def test_a_job_that_ends_the_process_each_time_is_given_up(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "jobs.sqlite")
    job = queue.add("brush", {}, caller="ann")
    for _ in range(MAX_ATTEMPTS):
        claimed = queue.claim("cpu")
        assert claimed and claimed.id == job.id
    assert queue.claim("cpu") is None
    assert "ended 3 times" in queue.get(job.id, caller="ann").error


def test_an_edit_goes_on_from_the_latents_of_its_picture(tmp_path: Path, tiny: Renderer) -> None:
    handlers = renderer_handlers(tiny, lambda plan: RenderRequest(plan=plan, model=tiny.model, steps=3))
    steps: list[int] = []

    def edit(base: str | None) -> bytes:
        steps.clear()
        revision = Revision(changes=[RegionChange(name="thing 1", seed=4)])
        payload = EditInput(request=request, revision=revision, base=base).model_dump(mode="json")
        picture = handlers["edit"](payload, JobContext(tmp_path / "new", lambda step: steps.append(step.index)))  # type: ignore[attr-defined]
        assert picture
        return picture

    handlers["render"](RenderInput(plan=plan_of(2)).model_dump(mode="json"), JobContext(tmp_path / ("a" * 32)))
    request = read_request(tmp_path / ("a" * 32) / "picture.png")
    continued = edit("a" * 32)
    assert steps == [1, 2, 3]
    assert edit(None) == continued and steps == [1, 2, 3] * 2  # drawn from its beginning: the same picture
    assert edit("b" * 32) == continued and steps == [1, 2, 3] * 2


SUBMIT_AND_FOLLOW = """
import sys
from pathlib import Path
from ditpipe import Renderer
from ditpipe.renderer.request import RenderRequest
from ditpipe.tools.jobs.engine import Job
from ditpipe.tools.jobs.handlers import renderer_handlers
from ditpipe.tools.jobs.local_engine import LocalEngine
from ditpipe.tools.jobs.service import PictureService
import json

renderer = Renderer(sys.argv[2], device="cpu")
handlers = renderer_handlers(renderer, lambda plan: RenderRequest(plan=plan, model=renderer.model))
service = PictureService(LocalEngine(Path(sys.argv[1]), {"cpu": handlers}))
job = service.jobs.submit("render", json.loads(sys.argv[3]), caller="ann")
for change in service.follow(job, patience=60):
    if isinstance(change, Job):
        print(change.id, change.step, flush=True)
"""


@pytest.mark.process
def test_a_killed_process_loses_nothing_and_the_same_picture_comes_out(
    tmp_path: Path, tiny: Renderer, tiny_folder: Path
) -> None:
    import json

    payload = json.dumps({"plan": plan_of(2).model_dump(), "steps": 60, "seed": 9})
    command = [sys.executable, "-c", SUBMIT_AND_FOLLOW, str(tmp_path), str(tiny_folder), payload]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while True:
        job_id, step = process.stdout.readline().split()
        if int(step) > 2:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    handlers = renderer_handlers(tiny, lambda plan: RenderRequest(plan=plan, model=tiny.model))
    service = PictureService(LocalEngine(tmp_path, {"cpu": handlers}), patience=600)
    job = service.jobs.get(job_id, caller="ann")
    assert job.status == "running" and job.step < 60
    service.jobs.open()
    assert ended(service, job).status == "done"
    assert service.jobs.file(job).read_bytes() == expected(tiny, plan_of(2), seed=9, steps=60)
    service.jobs.close()
