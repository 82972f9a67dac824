"""The queue and its workers: fair, bounded, cancellable, and nothing is lost when the process is."""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from PIL import Image
from plans import plan_of
from studios import expected

from ditpipe import Renderer, Revision
from ditpipe.prompts.errors import QueueFull, RunError, UnknownPicture
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.pictures.artifacts import read_request
from ditpipe.renderer.request import OnStep, RenderRequest, Step
from ditpipe.tools.api_schema import EditOrder, RenderOrder
from ditpipe.tools.jobs.handlers import renderer_works
from ditpipe.tools.jobs.queue import MAX_ATTEMPTS, Job, Jobs
from ditpipe.tools.jobs.service import Studio, Work


class Brush:
    """A work that paints one colour in `steps` steps and notes what it was asked; `hold` makes it wait for `go`."""

    def __init__(self, *, steps: int = 1, hold: bool = False) -> None:
        self.asked: list[Any] = []
        self.steps, self.go = steps, threading.Event()
        if not hold:
            self.go.set()

    def __call__(self, asked: dict[str, Any], folder: Path, on_step: OnStep) -> bytes:
        self.asked.append(asked["colour"])
        picture = Image.new("RGB", (64, 64), asked["colour"])
        for index in range(1, self.steps + 1):
            self.go.wait(10)
            on_step(Step(index, self.steps, lambda: picture.resize((8, 8))))
        buffer = BytesIO()
        picture.save(buffer, "PNG")
        return buffer.getvalue()


def studio(folder: Path, brush: Work, **limits: Any) -> Studio:
    return Studio(folder, {"cpu": {"brush": brush}}, **limits)


def order(studio: Studio, colour: str, caller: str = "ann", previews: int = 0) -> Job:
    return studio.order("brush", {"colour": colour}, caller=caller, previews=previews)


def last(studio: Studio, job: Job) -> Job:
    *_, job = studio.follow(job)
    return job


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_callers_take_turns_however_much_one_of_them_orders(tmp_path: Path) -> None:
    brush = Brush(hold=True)
    one = studio(tmp_path, brush)
    ann = [order(one, f"#00000{i}", "ann") for i in range(4)]
    until(lambda: brush.asked)
    bob = [order(one, f"#ff000{i}", "bob") for i in range(2)]
    brush.go.set()
    assert [last(one, job).status for job in [*ann, *bob]] == ["done"] * 6
    assert brush.asked == ["#000000", "#ff0000", "#000001", "#ff0001", "#000002", "#000003"]
    one.close()


def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    queue = Jobs(tmp_path / "jobs.sqlite", capacity=3, share=2)
    for caller in ("ann", "ann", "bob"):
        queue.add("brush", {}, caller=caller)
    with pytest.raises(QueueFull, match="the queue is full: 3 pictures are waiting") as full:
        queue.add("brush", {}, caller="eve")
    assert full.value.retry_after >= 1
    queue.cancel(queue.of("bob")[0].id, caller="bob")
    with pytest.raises(QueueFull, match="2 of yours"):  # ann cannot take everybody's places
        queue.add("brush", {}, caller="ann")
    queue.add("brush", {}, caller="eve")


def test_a_running_job_is_cancelled_within_one_step(tmp_path: Path) -> None:
    brush = Brush(steps=100, hold=True)
    one = studio(tmp_path, brush)
    job = order(one, "red")
    until(lambda: brush.asked)
    one.jobs.cancel(job.id, caller="ann")
    brush.go.set()
    second = last(one, order(one, "blue"))
    assert (last(one, job).status, last(one, job).step) == ("cancelled", 0) and second.status == "done"
    assert not one.file(job).exists()
    one.close()


def test_a_waiting_job_that_is_cancelled_is_never_drawn(tmp_path: Path) -> None:
    brush = Brush(hold=True)
    one = studio(tmp_path, brush)
    first, second, third = (order(one, colour) for colour in ("red", "blue", "green"))
    one.jobs.cancel(second.id, caller="ann")
    brush.go.set()
    assert [last(one, job).status for job in (first, second, third)] == ["done", "cancelled", "done"]
    assert brush.asked == ["red", "green"]
    one.close()


def test_previews_come_on_the_way(tmp_path: Path) -> None:
    one = studio(tmp_path, Brush(steps=8))
    job = last(one, order(one, "red", previews=3))
    sizes = [Image.open(one.file(job, kind)).size for kind in ("1", "2", "3", "small")]
    assert sizes == [(8, 8)] * 3 + [(32, 32)] and (job.step, job.steps) == (8, 8)
    one.close()


def test_a_fault_is_one_line_and_the_worker_goes_on(tmp_path: Path) -> None:
    def faulty(asked: dict[str, Any], folder: Path, on_step: OnStep) -> bytes:
        raise {"user": ValueError("the canvas\nis round"), "bug": KeyError("secret")}[asked["colour"]]

    one = studio(tmp_path, faulty)
    assert last(one, order(one, "user")).error == "the canvas is round"
    assert last(one, order(one, "bug")).error == "an internal error; the log says more"
    assert "can 'sculpt'" in last(one, one.order("sculpt", {}, caller="ann")).error
    one.close()


def test_ids_of_others_and_ids_of_nobody_look_the_same(tmp_path: Path) -> None:
    queue = Jobs(tmp_path / "jobs.sqlite")
    job = queue.add("brush", {}, caller="ann")
    for act in (queue.get, queue.cancel):
        for job_id, caller in ((job.id, "bob"), ("0" * 32, "ann")):
            with pytest.raises(UnknownPicture, match="no picture"):
                act(job_id, caller=caller)
    assert queue.of("bob") == [] and queue.get(job.id, caller="ann").status == "queued"


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot keep the queue in"):
        studio(tmp_path / "file", Brush())


def test_twenty_orders_and_three_studios_draw_each_picture_once(tmp_path: Path) -> None:
    brush = Brush(steps=2)
    studios = [studio(tmp_path, brush) for _ in range(3)]
    colours = [f"#0000{i:02x}" for i in range(20)]
    jobs = [order(studios[i % 3], colour, caller=f"caller {i}") for i, colour in enumerate(colours)]
    for job, colour in zip(jobs, colours, strict=True):
        assert last(studios[0], job).status == "done"
        assert Image.open(studios[0].file(job)).getpixel((0, 0)) == (0, 0, int(colour[5:], 16))
    assert Counter(brush.asked) == Counter(colours)
    for one in studios:
        one.close()


def test_what_a_closed_studio_was_drawing_is_drawn_when_it_opens_again(tmp_path: Path) -> None:
    brush = Brush(steps=50, hold=True)
    one = studio(tmp_path, brush)
    job, waiting = order(one, "red"), order(one, "blue")
    until(lambda: brush.asked)
    threading.Timer(0.1, brush.go.set).start()
    one.close()
    again = studio(tmp_path, Brush())
    assert again.jobs.get(job.id, caller="ann").status == "queued"
    again.open()
    assert [last(again, one).status for one in (job, waiting)] == ["done", "done"]
    again.close()


def test_closing_a_studio_is_no_fault_of_its_job_however_often(tmp_path: Path) -> None:
    for _ in range(MAX_ATTEMPTS + 1):
        brush = Brush(steps=50, hold=True)
        one = studio(tmp_path, brush)
        job = order(one, "red") if not one.jobs.of("ann") else one.jobs.of("ann")[0]
        one.open()
        while not brush.asked:
            time.sleep(0.01)
        threading.Timer(0.05, brush.go.set).start()
        one.close()
    again = studio(tmp_path, Brush())
    again.open()
    assert last(again, job).status == "done"
    again.close()


def test_what_ran_on_a_device_that_is_gone_is_drawn_on_another(tmp_path: Path) -> None:
    queue = Jobs(tmp_path / "jobs.sqlite")
    job, other = (queue.add("brush", {"colour": colour}, caller="ann") for colour in ("red", "blue"))
    assert queue.claim("cuda:0") and queue.claim("cuda:1")
    one = studio(tmp_path, Brush())
    with FileLock(tmp_path / "cuda-1.lock"):  # another process is at work there
        one.open()
        assert last(one, job).status == "done"
        assert one.jobs.get(other.id, caller="ann").status == "running"
    one.close()


def test_a_removed_picture_leaves_nothing_behind_but_its_callers_turn(tmp_path: Path) -> None:
    def work(asked: dict[str, Any], folder: Path, on_step: OnStep) -> bytes:
        folder.mkdir(parents=True)
        (folder / "kept").write_text("")
        return brush(asked, folder, on_step)

    brush = Brush()
    one = studio(tmp_path, work)
    job = last(one, order(one, "red", previews=1))
    brush.go.clear()
    holding = order(one, "green", "bob")
    until(lambda: brush.asked[-1] == "green")
    waiting = [order(one, "white", "ann"), order(one, "black", "eve")]
    one.remove(job)
    assert not list(tmp_path.rglob(f"*{job.id}*"))
    with pytest.raises(UnknownPicture):
        one.jobs.get(job.id, caller="ann")
    one.remove(holding)  # it is not finished
    brush.go.set()
    assert [last(one, now).status for now in [holding, *waiting]] == ["done"] * 3
    assert brush.asked[-2:] == ["black", "white"]
    one.close()


def test_a_job_that_ends_the_process_each_time_is_given_up(tmp_path: Path) -> None:
    queue = Jobs(tmp_path / "jobs.sqlite")
    job = queue.add("brush", {}, caller="ann")
    for _ in range(MAX_ATTEMPTS):
        claimed = queue.claim("cpu")
        assert claimed and claimed.id == job.id
    assert queue.claim("cpu") is None
    assert "ended 3 times" in queue.get(job.id, caller="ann").error


def test_an_edit_goes_on_from_the_latents_of_its_picture(tmp_path: Path, tiny: Renderer) -> None:
    works = renderer_works(tiny, lambda plan: RenderRequest(plan=plan, model=tiny.model, steps=3))
    steps: list[int] = []

    def edit(base: str | None) -> bytes:
        steps.clear()
        revision = Revision(changes=[RegionChange(name="thing 1", seed=4)])
        order = EditOrder(request=request, revision=revision, base=base)
        return works["edit"](order.model_dump(mode="json"), tmp_path / "new", lambda step: steps.append(step.index))

    works["render"](RenderOrder(plan=plan_of(2)).model_dump(mode="json"), tmp_path / ("a" * 32), lambda step: None)
    request = read_request(tmp_path / ("a" * 32) / "picture.png")
    kept = edit("a" * 32)
    assert steps == [1, 2, 3]
    assert edit(None) == kept and steps == [1, 2, 3] * 2  # drawn from its beginning: the same picture
    assert edit("b" * 32) == kept and steps == [1, 2, 3] * 2


ORDER_AND_DRAW = """
import sys
from pathlib import Path
from ditpipe import Renderer
from ditpipe.renderer.request import RenderRequest
from ditpipe.tools.studio import Studio
from ditpipe.tools.works import renderer_works
import json

renderer = Renderer(sys.argv[2], device="cpu")
works = renderer_works(renderer, lambda plan: RenderRequest(plan=plan, model=renderer.model))
studio = Studio(Path(sys.argv[1]), {"cpu": works})
job = studio.order("render", json.loads(sys.argv[3]), caller="ann")
for now in studio.follow(job, patience=60):
    print(now.id, now.step, flush=True)
"""


def test_a_killed_process_loses_nothing_and_the_same_picture_comes_out(
    tmp_path: Path, tiny: Renderer, tiny_folder: Path
) -> None:
    import json

    asked = json.dumps({"plan": plan_of(2).model_dump(), "steps": 60, "seed": 9})
    command = [sys.executable, "-c", ORDER_AND_DRAW, str(tmp_path), str(tiny_folder), asked]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while True:
        job_id, step = process.stdout.readline().split()
        if int(step) > 2:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    one = Studio(
        tmp_path, {"cpu": renderer_works(tiny, lambda plan: RenderRequest(plan=plan, model=tiny.model))}
    )
    job = one.jobs.get(job_id, caller="ann")
    assert job.status == "running" and job.step < 60
    one.open()
    assert last(one, job).status == "done"
    assert one.file(job).read_bytes() == expected(tiny, plan_of(2), seed=9, steps=60)
    one.close()
