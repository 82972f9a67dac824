"""What operators see: probes, metrics, logs with a job's id, spans, and `ditpipe jobs` against a running server."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import TwoThings, ended, tiny_agent
from http_servers import listening
from PIL import Image
from pydantic import SecretStr
from typer.testing import CliRunner
from waiting import PATIENCE, until

from ditpipe import Agent, Renderer
from ditpipe.agent.cli.main import app
from ditpipe.agent.wiring import critique_of, plan_brief
from ditpipe.prompts.errors import DitpipeError
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS
from ditpipe.renderer.request import Step
from ditpipe.tools.auth import Keys
from ditpipe.tools.http_service import http_service
from ditpipe.tools.jobs.engine import JobContext
from ditpipe.tools.jobs.local_engine import LocalEngine
from ditpipe.tools.jobs.service import PictureService
from ditpipe.tools.watching.job_scope import BUCKETS, Durations
from ditpipe.tools.watching.json_logs import JsonFormatter

KEY = "0123456789abcdef"
LOCKED = {"Authorization": f"Bearer {KEY}"}


def brush(payload: dict[str, Any], context: JobContext) -> bytes:
    """Paints in one step; 'wait' until it is stopped, 'fail' with a fault, 'explode' with what nobody foresaw."""
    match payload.get("do"):
        case "wait":
            assert context.stop.wait(PATIENCE)
            context.raise_if_stopped()
        case "fail":
            raise DitpipeError("no paint is left")
        case "explode":
            raise RuntimeError("boom")
    picture = Image.new("RGB", (64, 64), "red")
    context.on_step(Step(1, 1, lambda: picture))
    picture.save(buffer := BytesIO(), "PNG")
    return buffer.getvalue()


class Served:
    """A server with a key, whose engine paints with `brush` once `go` is set, or cannot paint where `fault` is set."""

    def __init__(self, folder: Path) -> None:
        self.go, self.fault = threading.Event(), ""
        self.service = PictureService(LocalEngine(folder, self.handlers), patience=PATIENCE)
        agent = Agent(planner=TwoThings(), critic="none", out=folder)
        self.app = http_service(
            self.service, checkpoint=CHECKPOINTS["pocket"], critique=critique_of(agent), version="0",
            keys=Keys({"ann": SecretStr(KEY)}), request_for=agent.request,
            plan=lambda *brief: plan_brief(agent, *brief),
        )  # fmt: skip

    def handlers(self) -> dict[str, Any]:
        self.go.wait(PATIENCE)
        if self.fault:
            raise OSError(self.fault)
        return {"cpu": {"brush": brush}}

    def submit(self, do: str = "") -> Any:
        return self.service.jobs.submit("brush", {"do": do}, caller="key:ann")


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


@pytest.fixture
def address(served: Served) -> Iterator[str]:
    with listening(served.app) as address:
        yield address
        served.go.set()


def test_probes_need_no_key_and_tell_when_pictures_can_be_drawn(served: Served, address: str) -> None:
    assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
    loading = httpx.get(f"{address}/readyz")
    assert (loading.status_code, loading.json()["reason"]) == (503, "the model is being loaded")
    served.go.set()
    assert until(lambda: (answer := httpx.get(f"{address}/readyz")).is_success and answer.json()) == {"status": "ready"}


def test_a_server_that_cannot_draw_is_alive_but_never_ready(served: Served, address: str) -> None:
    served.fault = "no GPU"
    served.go.set()
    until(lambda: served.service.jobs.fault)
    answer = httpx.get(f"{address}/readyz")
    assert answer.status_code == 503 and answer.json()["reason"] == "nothing can be drawn here: no GPU"
    assert httpx.get(f"{address}/healthz").is_success


def test_metrics_count_jobs_and_requests(served: Served, address: str) -> None:
    pytest.importorskip("prometheus_client")
    served.go.set()
    for do in ("", "", "fail"):
        ended(served.service, served.submit(do))
    until(lambda: len(served.service.jobs.durations.rows()) == 2)
    assert httpx.get(f"{address}/metrics").status_code == 401
    assert httpx.get(f"{address}/v1/pictures", headers=LOCKED).is_success
    assert httpx.get(f"{address}/nobody/knows/this", headers=LOCKED).status_code == 404
    lines = httpx.get(f"{address}/metrics", headers=LOCKED).text.splitlines()
    for line in (
        'ditpipe_jobs{status="done"} 2.0', 'ditpipe_jobs{status="queued"} 0.0', "ditpipe_ready 1.0",
        'ditpipe_job_seconds_count{kind="brush",status="done"} 2.0',
        'ditpipe_job_seconds_count{kind="brush",status="failed"} 1.0',
        'ditpipe_http_request_seconds_count{method="GET",route="none",status="404"} 1.0',
    ):  # fmt: skip
        assert line in lines, line
    routes = [line for line in lines if "http_request_seconds_count" in line]
    assert any("pictures" in line and 'status="200"' in line for line in routes), routes
    assert not any("nobody" in line or "replicas" in line for line in lines)


def test_a_histogram_counts_up_to_each_bound() -> None:
    durations = Durations()
    for seconds in (0.05, BUCKETS[0], 0.3, 9999):
        durations.add(("brush", "done"), seconds)
    ((labels, counts, total),) = durations.rows()
    assert labels == ("brush", "done") and counts == [2, *[3] * (len(BUCKETS) - 1), 4] and total > 9999


def test_every_log_line_of_a_job_is_json_with_its_id(served: Served) -> None:
    stream, logger = StringIO(), logging.getLogger("ditpipe")
    handler, level = logging.StreamHandler(stream), logger.level
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        served.go.set()
        jobs = [served.submit("explode"), served.submit()]
        for job in jobs:
            ended(served.service, job)
        served.service.jobs.close()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    broken, fine = ([line for line in lines if line.get("job") == job.id] for job in jobs)
    assert [line["message"] for line in fine] == ["job begun", "job done"]
    assert fine[1]["kind"] == "brush" and fine[1]["status"] == "done" and fine[1]["seconds"] >= 0
    assert [line["level"] for line in broken] == ["INFO", "ERROR", "INFO"] and "boom" in broken[1]["error"]
    assert broken[2]["status"] == "failed" and broken[2]["time"].endswith("+00:00")


def test_a_run_is_a_trace_of_its_steps(tiny: Renderer, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    tiny_agent(tiny, tmp_path).paint("a field")
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) >= {"job", "plan", "render", "critique"}
    job = spans["job"]
    assert job.attributes and job.attributes["ditpipe.job.kind"] == "run"
    for name in ("plan", "render", "critique"):
        parent = spans[name].parent
        assert parent and parent.span_id == job.context.span_id, name
    assert (spans["plan"].end_time or 0) <= (spans["render"].start_time or 0)


def test_without_opentelemetry_nothing_is_traced() -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from ditpipe.tools.watching.tracing import in_span, trace_ids\n"
        "print(in_span('x')(lambda: 7)(), trace_ids())"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "7 {}\n"


def jobs(address: str, *arguments: str, key: str = KEY) -> Any:
    env = {"DITPIPE_SERVER": address, "DITPIPE_SERVER_KEY": key}
    return CliRunner(env=env).invoke(app, ["jobs", *arguments])


def test_jobs_are_listed_followed_and_cancelled_over_http(served: Served, address: str) -> None:
    served.go.set()
    assert jobs(address).stdout.strip() == "no jobs"
    failed = ended(served.service, served.submit("fail"))
    running = served.submit("wait")
    waiting = served.submit()
    until(lambda: served.service.jobs.get(running.id, caller="key:ann").status == "running")
    listed = json.loads(jobs(address, "--json").stdout)["jobs"]
    assert [(job["id"], job["status"]) for job in listed] == [
        (waiting.id, "queued"), (running.id, "running"), (failed.id, "failed"),
    ]  # fmt: skip
    assert running.id in jobs(address).stdout

    assert json.loads(jobs(address, "cancel", running.id, "--json").stdout)["status"] == "cancelled"
    ended(served.service, running)
    for job, code, last in ((failed, 1, "failed: no paint is left"), (running, 1, "cancelled")):
        followed = jobs(address, "follow", job.id)
        assert followed.exit_code == code and followed.stdout.splitlines()[-1] == last, followed
    still = jobs(address, "cancel", failed.id)  # what has ended is not deleted
    assert still.exit_code == 0 and served.service.jobs.get(failed.id, caller="key:ann").status == "failed"


@pytest.mark.parametrize(
    ("arguments", "key", "said"),
    [
        ((), "wrong", "no valid API key: send 'Authorization: Bearer KEY' (set DITPIPE_SERVER_KEY)"),
        (("follow", "0" * 32), KEY, "no picture"), (("cancel", "../x"), KEY, "not a job's id"),
        (("--server", "localhost:8000"), KEY, "write http://localhost:8000"),
        (("--server", "http://127.0.0.1:9"), KEY, "is `ditpipe serve` running there?"),
    ],
)  # fmt: skip
def test_what_goes_wrong_between_jobs_and_its_server(
    arguments: tuple[str, ...], key: str, said: str, address: str
) -> None:
    error = jobs(address, *arguments, key=key).exception
    assert isinstance(error, DitpipeError | ValueError) and said in str(error), error
