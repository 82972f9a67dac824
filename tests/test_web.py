"""The page of `ditpipe web` in a real Chromium: brief, layout, picture, drag, change, undo, reload; a killed server."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from fakes import Pleased, TwoThings, tiny_agent
from http_servers import listening
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Request, expect, sync_playwright
from pydantic import SecretStr
from scripted import Scripted, scripted
from waiting import until

from ditpipe import Agent, Renderer
from ditpipe.agent.chat.session import Sessions
from ditpipe.agent.chat.store import Store
from ditpipe.agent.web.app import web_app
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS
from ditpipe.tools.auth import Keys

DITPIPE = str(Path(sys.executable).with_name("ditpipe"))
CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
SLOW = 300_000  # milliseconds: a machine may be busy
SIDE = CHECKPOINTS["pocket"].size  # pixels of the picture, and how far an edit of its left half may reach
FAR = SIDE * 5 // 8 + 2
BRIEF = "a red cat on the left and a blue rocket on the right, at night"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM and not os.environ.get("CI"), reason="no Chromium here (Debian: apt-get install chromium)"
    ),
]


class Server:
    """`ditpipe web` as a process of its own, over one folder of sessions."""

    def __init__(self, folder: Path, steps: int = 10) -> None:
        self.folder, self.steps, self.port = folder, steps, "0"
        self.start()

    def start(self) -> None:
        log = self.folder / "server.log"
        command = [DITPIPE, "web", "--port", self.port, "--sessions", str(self.folder), "--rounds=1"]
        with log.open("w") as out:
            self.process = subprocess.Popen([*command, f"--steps={self.steps}"], stderr=out)

        def announced() -> re.Match[str] | None:
            assert self.process.poll() is None, log.read_text()
            return re.search(r"running on http://127.0.0.1:(\d+)", log.read_text())

        self.port = until(announced)[1]
        self.address = f"http://127.0.0.1:{self.port}/"

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(how)
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("sessions"))
    yield running
    running.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "the tests of the page need Chromium: apt-get install chromium"
    expect.set_options(timeout=SLOW)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def painted(server: Server, browser: Browser) -> str:
    """The address of a session with one picture, which the tests look at and change."""
    page = browser.new_page()
    page.goto(server.address)
    say(page, BRIEF)
    finished(page)
    page.close()
    return page.url


@pytest.fixture
def own(server: Server, painted: str) -> str:
    """The address of a copy of that session, which one test alone changes."""
    sessions = Sessions(Agent(planner="embedded"), store=Store(server.folder))
    return f"{server.address}?s={sessions.open(painted.partition('?s=')[2]).branch(1).id}"


Open = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Opens windows, each with a browser's memory of its own. What they fetch from elsewhere is an error."""
    contexts, elsewhere = [], list[str]()

    def new_window(address: str, width: int = 1200) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 860}, has_touch=width < 800)
        contexts.append(context)
        here = urlsplit(address).netloc

        def note(request: Request) -> None:
            if urlsplit(request.url).netloc not in ("", here):
                elsewhere.append(request.url)

        context.on("request", note)
        page = context.new_page()
        page.set_default_timeout(SLOW)
        page.goto(address)
        return page

    yield new_window
    for context in contexts:
        context.close()
    assert not elsewhere


def test_an_empty_page_says_what_can_be_drawn(server: Server, opened: Open) -> None:
    page = opened(server.address)
    page.get_by_text("What can I ask for?").click()
    expect(page.get_by_text("I can draw 64 things: cat, dog,")).to_be_visible()


def say(page: Page, words: str) -> None:
    line = page.get_by_role("textbox").first
    line.fill(words)
    line.press("Enter")


def region(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=re.compile(rf"^{name}, \d+%"))


def finished(page: Page, frames: int = 1) -> None:
    """Waits until the film has so many pictures and nothing is being drawn."""
    expect(page.locator(".film .frame")).to_have_count(frames, timeout=SLOW)
    expect(page.get_by_role("progressbar")).to_be_hidden(timeout=SLOW)


def shown(page: Page) -> NDArray[np.int16]:
    """The picture that the page shows, as (height, width, 3)."""
    address = page.locator("img.picture").evaluate("image => image.src")
    return np.asarray(Image.open(BytesIO(page.request.get(address).body())).convert("RGB"), dtype=np.int16)


def drag(page: Page, box: Locator, dx: float, dy: float) -> None:
    place = box.bounding_box()
    assert place
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up()


def test_a_brief_becomes_a_layout_then_a_picture_that_is_changed_by_hand_and_by_words(
    server: Server, opened: Open
) -> None:
    page = opened(server.address)
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name=BRIEF).click()
    draw = page.get_by_role("button", name="Draw it")
    expect(draw).to_be_visible(timeout=SLOW)
    expect(page.locator("img.picture")).to_be_hidden()
    expect(region(page, "rocket")).to_contain_text("blue")
    draw.click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    finished(page)
    first = shown(page)

    cat, canvas = region(page, "cat"), page.locator(".canvas").bounding_box()
    assert canvas
    cat.focus()
    drag(page, cat.locator(".handle.s"), 0, -canvas["height"] / 2)
    drag(page, cat, 0, canvas["height"] / 2)
    expect(page.get_by_text("cat moved", exact=True)).to_be_visible()
    page.get_by_role("button", name="Draw this").click()
    finished(page, 2)
    moved = shown(page)
    assert (first != moved).any()
    assert (first[:, FAR:] == moved[:, FAR:]).all()  # the rocket stayed as it was

    say(page, "make the rocket green")
    finished(page, 3)
    changed = shown(page)
    assert (changed != moved).any()
    assert (changed[:, : SIDE // 4] == moved[:, : SIDE // 4]).all()  # beyond the rim, which reaches into the background

    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".film .frame").nth(1)).to_have_attribute("aria-current", "true")
    assert (shown(page) == moved).all()

    page.reload()
    expect(page.locator(".film .frame")).to_have_count(3)
    assert (shown(page) == moved).all()
    for words in (BRIEF, "make the rocket green", "undo"):
        expect(page.locator("#chat").get_by_text(words, exact=True)).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save all").click()
    assert {"picture.png", "plan.json", "transcript.md"} <= set(zipfile.ZipFile(saved.value.path()).namelist())


def test_two_windows_have_sessions_of_their_own(server: Server, opened: Open, painted: str) -> None:
    other = opened(server.address)
    expect(other.locator(".film .frame")).to_have_count(0)
    say(other, "a yellow star above a purple castle, at sunset")
    first = opened(painted)
    finished(other)
    finished(first)
    assert other.url != first.url
    expect(first.locator("#chat")).not_to_contain_text("castle")
    expect(other.locator("#chat")).not_to_contain_text("cat on the left")
    expect(region(first, "cat")).to_be_visible()
    expect(region(other, "castle")).to_be_visible()
    assert (shown(first) != shown(other)).any()


def test_everything_is_within_reach_of_the_keyboard(opened: Open, painted: str) -> None:
    page = opened(painted)
    finished(page)
    cat = region(page, "cat")
    cat.focus()
    page.keyboard.press("Shift+ArrowLeft")
    expect(cat).to_have_attribute("style", re.compile("width: 48%"))
    page.keyboard.press("ArrowRight")
    expect(cat).to_have_attribute("style", re.compile("left: 2%"))
    expect(page.get_by_text("cat moved", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_label("What is there")).to_be_focused()
    page.keyboard.press("Escape")
    expect(cat).to_be_focused()
    page.keyboard.press("Delete")
    expect(page.get_by_text("cat removed", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Draw this")).to_be_hidden()
    expect(cat).to_have_attribute("style", re.compile("left: 0%; top: 0%; width: 50%"))

    page.get_by_role("button", name="Add", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.type("moon")
    expect(region(page, "moon")).to_be_visible()
    expect(page.get_by_text("moon added", exact=True)).to_be_visible()


@pytest.mark.parametrize("words", [False, True])
def test_a_phone_has_no_sideways_scrolling(server: Server, opened: Open, painted: str, words: bool) -> None:
    page = opened(painted if words else server.address, width=390)
    if words:
        region(page, "cat").focus()
        expect(page.get_by_label("What is there")).to_be_visible()
    else:
        expect(page.get_by_role("button", name=BRIEF)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    expect(page.get_by_role("textbox").first).to_be_in_viewport()


def test_a_server_killed_while_drawing_finishes_the_picture(server: Server, opened: Open) -> None:
    page = opened(server.address)
    say(page, "a green turtle on the left and a pink house on the right, on the grass")
    page.wait_for_url("**/?s=*")
    session = page.url.partition("?s=")[2]
    until(lambda: page.request.get(f"{server.address}ditpipe/preview/{session}").ok)  # the first step is done
    server.end(signal.SIGKILL)
    left = Store(server.folder).turns(session)[-1]
    expect(page.get_by_text("The server does not answer.")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_hidden()
    server.start()
    assert left.status == "pending"
    finished(page)  # the page that was open all the while
    expect(page.get_by_text("The server does not answer.")).to_be_hidden()
    page.reload()
    finished(page)
    expect(region(page, "turtle")).to_be_visible()
    assert shown(page).std() > 10


def test_a_drawing_can_be_stopped_and_the_picture_stays(
    opened: Open, painted: str, server: Server, tmp_path: Path
) -> None:
    slow = Server(shutil.copytree(server.folder, tmp_path / "sessions"), steps=1000)  # minutes, if nobody stops it
    try:
        page = opened(painted.replace(server.address, slow.address))
        finished(page)
        before = shown(page)
        page.get_by_role("button", name="Four versions").click()
        expect(page.get_by_text(re.compile("^Drawing"))).to_be_visible()
        page.get_by_role("button", name="Stop").press("Enter")
        expect(page.get_by_role("progressbar")).to_be_hidden()
        finished(page)
        assert (shown(page) == before).all()
        expect(page.locator("#chat")).to_contain_text("Stopped")
        region(page, "cat").focus()
        page.keyboard.press("Shift+ArrowUp")
        page.get_by_role("button", name="Draw this").press("Enter")
        expect(page.get_by_text(re.compile("^Drawing"))).to_be_visible()
        page.get_by_role("button", name="Stop").press("Enter")
        expect(page.get_by_role("progressbar")).to_be_hidden()
        finished(page)
        expect(page.get_by_role("button", name="Draw this")).to_be_visible()  # what was changed by hand is still there
        assert (shown(page) == before).all()
    finally:
        slow.end()


def test_candidates_stand_side_by_side_to_choose_from(opened: Open, own: str) -> None:
    page = opened(own)
    page.get_by_role("button", name="Four versions").click()
    finished(page, 2)
    versions = page.locator(".candidates .frame")
    expect(versions).to_have_count(4)
    before, other = shown(page), page.locator(".candidates .frame:not(.current)").first
    other.click()
    expect(page.locator(".film .frame")).to_have_count(3)
    assert (shown(page) != before).any()


def test_an_address_that_others_reach_needs_keys() -> None:
    refused = subprocess.run([DITPIPE, "web", "--host", "0.0.0.0"], capture_output=True, text=True)
    assert refused.returncode == 2 and "--keys" in refused.stderr


def test_with_keys_each_name_has_its_own_room(tiny: Renderer, tmp_path: Path) -> None:
    agent = tiny_agent(tiny, tmp_path).with_settings(sessions=tmp_path / "sessions")
    keys = {"ann": "ann's-key-0123456789", "bob": "bob's-key-0123456789"}
    app = web_app(agent, keys=Keys({name: SecretStr(key) for name, key in keys.items()}))
    session = Sessions(agent, store=Store(tmp_path / "sessions" / "callers" / "key-ann")).new("ann's")

    def status(address: str, *headers: str, user: str = "", options: Sequence[str] = ()) -> str:
        who = ["--user", f"{user}:{keys[user]}"] if user else []
        more = [part for header in headers for part in ("-H", header)]
        curl = ["curl", "-s", "--path-as-is", "-o", os.devnull, "-w", "%{http_code}", *who, *more, *options, address]
        return subprocess.run(curl, capture_output=True, text=True, check=True).stdout

    with listening(app) as address:
        assert status(address) == "401"
        assert status(address, user="ann") == "200"
        assert status(address, "Authorization: Basic YW5uOndyb25nLWtleS0wMTIzNDU2") == "401"
        assert status(address, "Origin: http://elsewhere.example", user="ann") == "403"
        act = f"{address}/ditpipe/act"
        body = ("-X", "POST", "-d", f'{{"session": "{session.id}", "action": {{"do": "stop"}}}}')
        as_json = "Content-Type: application/json"
        assert status(act, as_json, "Sec-Fetch-Site: same-origin", user="ann", options=body) == "200"
        assert status(act, as_json, "Sec-Fetch-Site: cross-site", user="ann", options=body) == "403"
        assert status(act, "Content-Type: text/plain", user="ann", options=body) == "400"
        assert status(act, as_json, user="bob", options=body) == "404"
        assert status(act, as_json, f"Content-Length: {2**30}", user="ann", options=body) == "413"
        assert status(f"{address}/ditpipe/save/{session.id}.zip", user="ann") == "200"
        assert status(f"{address}/ditpipe/save/{session.id}.zip", user="bob") == "404"
        assert status(f"{address}/ditpipe/picture/{session.id}/..%2F..%2F..%2Fsessions.sqlite", user="ann") == "404"


class Talks(TwoThings):
    """Plans two things, and asks which one is meant before it makes thing 1 green."""

    tuned = False

    def __init__(self, chat_model: Scripted) -> None:
        self.chat_model = chat_model


@pytest.mark.parametrize("width", [1200, 390])
def test_suggestions_are_buttons_that_say_them(tiny: Renderer, tmp_path: Path, opened: Open, width: int) -> None:
    replies = (
        {"do": "new brief", "brief": "two things"},
        {"do": "look", "regions": ["thing"], "low_level": "green"},
        {"do": "look", "regions": ["thing 1"], "low_level": "green"},
    )
    with scripted(*(json.dumps({"commands": [reply]}) for reply in replies)) as model:
        agent = Agent(renderer=tiny, planner=Talks(model), critic=Pleased(), steps=2, rounds=1, out=tmp_path)
        app = web_app(agent.with_settings(sessions=tmp_path / "sessions"), keys=Keys())
        with listening(app) as address, closing(opened(address, width)) as page:  # a server waits for who looks on
            page.locator(".card").first.click()
            suggestions = page.locator("#suggestions button")
            expect(suggestions).to_have_text(["make the thing 0 smaller", "same but at night", "remove the thing 1"])
            shot(page, f"hints-{width}")
            say(page, "make the thing green")
            expect(page.locator("#chat .assistant").last).to_contain_text("There is no 'thing' here")
            expect(suggestions).to_have_text(["make the thing 0 green", "make the thing 1 green"])
            shot(page, f"question-{width}")
            suggestions.last.click()
            expect(page.locator("#chat .user").last).to_have_text("make the thing 1 green")
            expect(page.locator("#chat .assistant")).to_have_count(3)
            page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")


def shot(page: Page, name: str) -> None:
    """Keeps a screenshot where the environment says so, to look at."""
    if folder := os.environ.get("DITPIPE_SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png")


def luminance(page: Page, selector: str, pseudo: str = "") -> float:
    """Mean of a text's red, green and blue, 0 to 255."""
    colour = page.locator(selector).evaluate("(field, pseudo) => getComputedStyle(field, pseudo).color", pseudo)
    return float(np.mean([int(number) for number in re.findall(r"\d+", colour)[:3]]))


def test_placeholders_are_paler_than_values(opened: Open, painted: str) -> None:
    page = opened(painted)
    region(page, "cat").click()
    for field in ("#f-low", "#message"):
        assert luminance(page, field, "::placeholder") > luminance(page, field) + 60


def test_the_tick_and_its_sentence_agree(server: Server, opened: Open) -> None:
    page = opened(server.address)
    expect(page.get_by_text("It is drawn at once")).to_be_visible()
    page.get_by_role("checkbox").check()
    expect(page.get_by_text("You see the layout first")).to_be_visible()
    expect(page.get_by_text("It is drawn at once")).to_have_count(0)


def test_a_new_box_without_words_says_what_is_missing(opened: Open, painted: str) -> None:
    page = opened(painted)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Draw this").click()
    expect(page.get_by_role("alert").get_by_text("Say what is in the new box")).to_be_visible()
    expect(page.get_by_label("What is there")).to_be_focused()
    page.get_by_label("What is there").fill("moon")
    expect(page.get_by_text("Say what is in the new box")).to_be_hidden()


@pytest.mark.parametrize("width", [390, 1200])
def test_the_picture_stays_in_view_after_add(opened: Open, painted: str, width: int) -> None:
    page = opened(painted, width=width)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_label("What is there")).to_be_in_viewport(ratio=1)
    expect(page.locator(".canvas")).to_be_in_viewport(ratio=1)


def test_a_second_new_box_does_not_hide_the_first(opened: Open, painted: str) -> None:
    page = opened(painted)
    add = page.get_by_role("button", name="Add", exact=True)
    add.click()
    page.keyboard.type("moon")
    add.click()
    places = [region(page, name).get_attribute("style") for name in ("moon", "new")]
    assert None not in places and len({re.sub("--.*?;", "", str(place)) for place in places}) == 2


def test_a_box_is_drawn_over_a_full_layout(opened: Open, painted: str) -> None:
    page = opened(painted)
    page.get_by_role("button", name="Draw a box").click()
    drag(page, region(page, "cat"), 60, 80)
    page.keyboard.type("moon")
    expect(page.get_by_text("moon added", exact=True)).to_be_visible()
    expect(region(page, "cat")).to_have_attribute("style", re.compile("left: 0%; top: 0%; width: 50%"))


def test_a_new_name_draws_nothing(opened: Open, own: str) -> None:
    page = opened(own)
    finished(page)
    before = shown(page)
    region(page, "rocket").focus()
    page.keyboard.press("Shift+ArrowLeft")
    region(page, "cat").focus()
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Name of this place").fill("Tom")
    page.get_by_label("Name of this place").press("Enter")
    expect(page.locator("#chat")).to_contain_text("cat is called Tom now; nothing was drawn.")
    assert (shown(page) == before).all()
    expect(page.get_by_text("rocket moved", exact=True)).to_be_visible()  # what else is under way stays
    page.get_by_role("button", name="Put back").click()
    region(page, "Tom").focus()
    page.get_by_label("What it looks like").fill("orange")
    page.get_by_label("What it looks like").press("Enter")
    finished(page, 3)
    assert (shown(page)[:, FAR:] == before[:, FAR:]).all() and (shown(page) != before).any()


def test_the_list_of_earlier_pictures_has_thumbnails_and_deletes(server: Server, opened: Open, own: str) -> None:
    page, session = opened(own, width=390), own.partition("?s=")[2]
    title = "<img src=x onerror=alert(1)>"
    Store(server.folder).rename(session, title)
    page.reload()
    page.get_by_text("Earlier pictures").click()
    entry = page.get_by_role("listitem").filter(has_text=title)
    expect(entry.get_by_role("link")).to_have_attribute("aria-current", "page")
    expect(entry).to_be_in_viewport(ratio=1)
    image = entry.locator("img")
    assert page.request.get(image.evaluate("image => image.src")).headers["content-type"] == "image/png"
    entry.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep it").click()
    expect(entry).to_be_visible()
    entry.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(server.address)
    page.get_by_text("Earlier pictures").click()
    expect(page.get_by_role("listitem").first).to_be_visible()
    expect(page.get_by_text(title)).to_have_count(0)
    assert not (server.folder / session).exists()


def test_the_first_touch_selects_and_the_second_drags(opened: Open, painted: str) -> None:
    page = opened(painted, width=390)
    finished(page)
    cat, touch = region(page, "cat"), page.context.new_cdp_session(page)
    cat.scroll_into_view_if_needed()

    def swipe() -> None:
        place = cat.bounding_box()
        assert place
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        for kind, dx in (("touchStart", 0), ("touchMove", 15), ("touchMove", 30), ("touchMove", 60)):
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x + dx, "y": y}]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe()
    expect(cat).to_have_attribute("style", re.compile("left: 0%"))
    for _ in range(20):  # a tap while the page still scrolls only ends the scrolling
        cat.tap()
        page.wait_for_timeout(250)
        if cat.get_attribute("aria-pressed") == "true":
            break
    expect(cat).to_have_attribute("aria-pressed", "true", timeout=60_000)
    swipe()
    expect(page.get_by_text("cat moved", exact=True)).to_be_visible()


def test_a_message_beside_a_pending_move_asks_what_to_draw(opened: Open, own: str) -> None:
    page = opened(own)
    finished(page)
    region(page, "cat").focus()
    page.keyboard.press("Shift+ArrowUp")
    say(page, "make the rocket green")
    expect(page.get_by_text("Not drawn yet: cat moved.")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("textbox").first).to_have_value("make the rocket green")
    expect(page.get_by_text("cat moved", exact=True)).to_be_visible()
    page.get_by_role("textbox").first.press("Enter")
    page.get_by_role("button", name="Draw both").press("Enter")
    finished(page, 3)
    expect(page.locator(".film .frame").nth(1)).to_contain_text("cat moved")
    expect(page.locator(".film .frame").nth(2)).to_contain_text("make the rocket green")
    expect(page.get_by_role("textbox").first).to_be_focused()


def test_a_change_by_hand_is_called_after_what_it_changes_and_keeps_the_focus(opened: Open, own: str) -> None:
    page = opened(own)
    finished(page)
    region(page, "cat").focus()
    page.get_by_text("More", exact=True).click()
    field = page.get_by_label("What must not be there")
    field.fill("green")
    expect(page.get_by_text("cat: negative green", exact=True)).to_be_visible()
    field.press("Enter")
    finished(page, 2)
    expect(page.locator(".film .frame").nth(1)).to_contain_text("cat: negative green")
    expect(field).to_be_focused()
    region(page, "cat").focus()
    page.keyboard.press("Shift+ArrowUp")
    page.get_by_role("button", name="Draw this").press("Enter")
    finished(page, 3)
    expect(region(page, "cat")).to_be_focused()


def test_a_picture_can_be_saved_enlarged(opened: Open, painted: str) -> None:
    page = opened(painted)
    finished(page)
    sizes = []
    for label in (f"{SIDE} × {SIDE}", f"{4 * SIDE} × {4 * SIDE}"):
        page.get_by_label("Size of the saved picture").select_option(label=label)
        with page.expect_download() as saved:
            page.get_by_role("link", name="Save", exact=True).click()
        sizes.append(Image.open(saved.value.path()).size)
    assert sizes == [(SIDE, SIDE), (4 * SIDE, 4 * SIDE)]


def test_texts_of_others_are_only_text(server: Server, opened: Open) -> None:
    page = opened(server.address)
    policy = page.request.get(server.address).headers["content-security-policy"]
    assert "default-src 'none'" in policy and "require-trusted-types-for 'script'" in policy
    say(page, "<img src=x onerror='document.title=1'> what is in the corner?")
    expect(page.locator("#chat .assistant")).to_have_count(1)
    expect(page.locator("#chat .user")).to_contain_text("<img src=x")
    expect(page.locator("#chat img")).to_have_count(0)
