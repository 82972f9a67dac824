"""Whatever schemathesis makes of the OpenAPI contract: no 500, only documented answers. Drawing is a brush stroke."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fakes import Pleased, TwoThings
from http_servers import listening
from hypothesis import HealthCheck, given, settings
from PIL import Image
from plans import plan_of
from png_files import png_bytes
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from ditpipe import RenderRequest, RenderResult
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS
from ditpipe.tools.auth import Keys
from ditpipe.tools.http_service import http_service
from ditpipe.tools.jobs.engine import JobContext
from ditpipe.tools.jobs.local_engine import LocalEngine
from ditpipe.tools.jobs.service import PictureService

pytestmark = pytest.mark.slow


def stroke(payload: dict[str, Any], context: JobContext) -> bytes:
    """A handler that paints every job grey at once."""
    import torch

    image = Image.new("RGB", (96, 96), "grey")
    return png_bytes(RenderResult(RenderRequest(plan=plan_of(2)), image, torch.zeros(1), 0.0))


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    handlers = {"cpu": {"render": stroke, "paint": stroke, "edit": stroke}}
    service = PictureService(LocalEngine(tmp_path_factory.mktemp("contract"), handlers))
    app = http_service(
        service, checkpoint=CHECKPOINTS["pocket"], keys=Keys(), version="0",
        request_for=lambda plan: RenderRequest(plan=plan),
        plan=lambda brief, width, height, aspect: TwoThings().plan(brief), critique=Pleased().critique,
    )  # fmt: skip
    with listening(app) as address:
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
QUICK = settings(
    max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip


def test_no_request_breaks_the_service(contract: Any) -> None:
    operations = [found.ok() for found in contract.get_all_operations()]
    for operation in operations:

        @given(case=operation.as_strategy())
        @QUICK
        def ask(case: Any) -> None:
            case.call_and_validate(checks=CHECKS)

        ask()
    assert {operation.path for operation in operations} >= {"/v1/images/edits", "/v1/pictures/{picture_id}/events"}


def test_the_brush_stroke_is_a_picture() -> None:
    assert Image.open(BytesIO(stroke({}, JobContext(Path())))).size == (96, 96)
