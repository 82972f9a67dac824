"""The page of an evaluation in Chromium: it asks for nothing but itself, and is readable on a phone, light and dark."""

import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from ditpipe.agent.evaluate.report import Part, Plot, Report, Sheet, Table, Text, page, write_report

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM and not os.environ.get("CI"), reason="no Chromium here (Debian: apt-get install chromium)"
    ),
]
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PHONE = {"width": 360, "height": 640}
SLOW = 300_000  # milliseconds: a machine may be busy


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "the tests of the page need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=SLOW)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with one of each part, wide and long, and with names that are markup."""
    folder = tmp_path_factory.mktemp("evaluation")
    for name in ("red", "blue"):
        Image.new("RGB", (512, 512), name).save(folder / f"{name}.png")
    files = [folder / "red.png", folder / "blue.png"]
    parts: list[Part] = [
        Text(["A paragraph.", '<img src="http://127.0.0.1:9/seen">'], "Words"),
        Table([f"column {n}" for n in range(12)], [["a rather long cell"] * 12] * 3, "A wide table"),
        Plot({"regions": [(0, 0.2), (8, 0.9)], "merged": [(0, 0.2), (8, 0.4)]}, "blocks", "right", "A curve"),
        Sheet(["original", "returned"] * 4, [("a_name_without_any_space_that_is_long.png", files * 4)], "A sheet"),
    ]  # fmt: skip
    write_report(folder, Report("<b>Everything</b>", "One of each.", parts, ["with nothing"], seeds="0 to 3"))
    return folder / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it_and_nothing_is_requested(report: Path, browser: Browser, scheme: str) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(SLOW)
    shown, requests, complaints = context.new_page(), list[str](), list[str]()
    shown.on("request", lambda request: requests.append(request.url))
    shown.on("console", lambda message: complaints.append(message.text))
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.goto(report.as_uri())
    assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()] and complaints == []
    assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], "only tables scroll sideways"
    images = shown.locator("img")
    loaded = images.evaluate_all("all => all.map(one => one.complete && one.naturalWidth)")
    assert len(loaded) == 8 and all(loaded)
    assert shown.get_by_text("<b>Everything</b>").count() and shown.locator("svg polyline").count() == 2
    text = shown.evaluate("getComputedStyle(document.body).color")
    assert text == ("rgb(255, 255, 255)" if scheme == "dark" else "rgb(0, 0, 0)")
    sizes = shown.locator("p, td, dd").evaluate_all("all => all.map(one => parseFloat(getComputedStyle(one).fontSize))")
    assert min(sizes) >= 12
    shown.locator("summary").click()
    assert shown.get_by_text("Machine", exact=True).is_visible()
    assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], "long commands are broken"
    context.close()


def test_what_is_slipped_into_a_page_is_not_run_and_not_fetched(tmp_path: Path, browser: Browser) -> None:
    asked = list[str]()

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        away = f"http://127.0.0.1:{server.server_port}"
        section = (
            f'<img src="{away}/img"><script>document.title = "ran"</script><iframe src="{away}/frame"></iframe>'
            f'<link rel="stylesheet" href="{away}/style"><div style="background: url({away}/css)">x</div>'
        )
        (tmp_path / "page.html").write_text(page("strange", [section]))
        shown = browser.new_page()
        shown.goto((tmp_path / "page.html").as_uri(), timeout=SLOW)
        assert shown.title() == "strange" and asked == []
        shown.close()
        server.shutdown()
