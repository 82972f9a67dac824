"""Screenshots of the page of `ditpipe web`, as docs/web/*.png: python -m benchmarks.screenshots

Needs the extras `web` and `test` and Debian's chromium. The pictures are painted by the shipped models.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

OUT = Path(__file__).parent.parent / "docs" / "web"
BRIEF = "a red cat on the left and a blue rocket on the right, at night"
PATIENCE = 600_000  # milliseconds


@contextmanager
def page_server(folder: Path) -> Iterator[str]:
    """Yields the address of a server over an empty folder of sessions."""
    ditpipe = str(Path(sys.executable).with_name("ditpipe"))
    command = [ditpipe, "web", "--planner=embedded", "--port=0", f"--sessions={folder}"]
    log = folder / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(command, stderr=out)
    try:
        while not (match := re.search(r"running on (http://\S+)", log.read_text())):
            if server.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.2)
        yield match[1]
    finally:
        server.kill()
        server.wait()


def drawn(page: Page, pictures: int) -> None:
    """Waits until the list has that many pictures and nothing is being drawn."""
    expect(page.locator(".film .frame").nth(pictures - 1)).to_be_visible()
    expect(page.locator(".busy")).to_be_hidden()


def say(page: Page, words: str) -> None:
    page.locator("#message").fill(words)
    page.keyboard.press("Enter")


def shoot(page: Page, name: str) -> None:
    """Writes docs/web/NAME.png."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(1000)
    path = OUT / f"{name}.png"
    page.screenshot(path=path)
    with Image.open(path) as image:
        image.convert("RGB").save(path, optimize=True)
    print(f"{path.name}  {path.stat().st_size / 1024:.0f} KB")


def walk(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 1240, "height": 860})
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.get_by_role("button", name=BRIEF).wait_for()
    shoot(page, "empty")
    page.get_by_role("checkbox").check()
    say(page, BRIEF)
    page.get_by_role("button", name="Draw it").wait_for()
    shoot(page, "layout")
    page.get_by_role("button", name="Draw it").click()
    drawn(page, 1)
    page.get_by_role("button", name=re.compile(r"^cat, \d+%")).focus()
    shoot(page, "picture")
    say(page, "make the rocket green")
    drawn(page, 2)
    say(page, "make the cat yellow")
    drawn(page, 3)
    page.set_viewport_size({"width": 1040, "height": 1060})
    page.reload()
    drawn(page, 3)
    shoot(page, "changed")
    phone = browser.new_page(viewport={"width": 390, "height": 844})
    phone.set_default_timeout(PATIENCE)
    phone.goto(page.url)
    drawn(phone, 3)
    shoot(phone, "phone")


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE)
    with tempfile.TemporaryDirectory() as folder, page_server(Path(folder)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        walk(browser, address)
        browser.close()


if __name__ == "__main__":
    main()
