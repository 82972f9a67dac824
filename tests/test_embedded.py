"""The shipped models for real: planner and renderer out of this repository and the registry."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from plans import plan_of
from waiting import until

from ditpipe import LeveledPrompt, Planner, Renderer, RenderRequest, columns, understand
from ditpipe.agent.chat.commands.executor import suggestions_for
from ditpipe.agent.chat.replies import hints
from ditpipe.agent.evaluate.chat import read_plans
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.llm.local_models import ADAPTERS
from ditpipe.agent.llm.local_server import start, weights
from ditpipe.prompts.errors import ModelError
from ditpipe.renderer.checkpoints.registry import POCKET

pytestmark = pytest.mark.slow
BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_the_embedded_llm_plans_two_subjects() -> None:
    plan = Planner(chat_model("embedded")).plan("a red cat on the left and a blue rocket on the right, at night")
    assert [region.prompt.high_level for region in plan.regions] == ["cat on the left", "rocket on the right"]
    assert ["red" in plan.regions[0].prompt.low_level, "blue" in plan.regions[1].prompt.low_level] == [True, True]
    assert [region.box for region in plan.regions] == columns(2)
    assert plan.scene.high_level.endswith("at night") and plan.scene.low_level


@pytest.mark.parametrize("name", ["cat-rocket", "two-cats", "robot"])
def test_messages_that_chat_suggests_are_understood(name: str) -> None:
    plan = read_plans(BENCHMARKS / "chat_plans.json")[name]
    suggested = dict.fromkeys([*hints(plan), *suggestions_for(plan)])
    results = {message: understand(message, plan=plan, planner="embedded") for message in suggested}
    assert {message: result.kind for message, result in results.items()} == dict.fromkeys(suggested, "change")
    for message, result in results.items():
        named = max((region.name for region in plan.regions if region.name in message), key=len, default="")
        left = {region.name for region in result.plan.regions} if result.plan else set()
        assert (named not in left) if message.startswith("remove") else result.touched == ((named,) if named else ())


def test_a_hostile_adapter_ends_the_server_with_one_line_that_names_it(tmp_path: Path) -> None:
    _, adapter, _ = weights("embedded")
    good, bad = adapter.read_bytes(), tmp_path / "theirs.gguf"
    billions = (2**62).to_bytes(8, "little")  # tensors, entries of the head, characters of a name
    pickled = b"cos\nmkdir\n(S'" + str(tmp_path / "run").encode() + b"'\ntR."
    for content in (good[:5000], good[:8] + billions + good[16:], good[:24] + billions + good[32:], pickled):
        bad.write_bytes(content)
        with pytest.raises(ModelError, match=r"ended with code \d+ before .* It reads .*theirs\.gguf$"):
            start("embedded", adapter=bad)
    assert not (tmp_path / "run").exists()


def test_the_llm_server_ends_with_a_killed_parent() -> None:
    code = "from ditpipe.agent.llm.local_server import address; print(address('embedded'), flush=True); input()"
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline().startswith("http://127.0.0.1:")
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    if not children.exists():
        parent.kill()
        pytest.skip("needs Linux's /proc to find the child")
    child = int(children.read_text().split()[0])
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not _alive(child))


PLANS_TWICE = """
import os, signal, sys
from ditpipe import Planner
from ditpipe.agent.llm import local_server
from ditpipe.agent.llm.chat_models import chat_model
local_server.SHORT_LIFE = 0
planner = Planner(chat_model("embedded"))
assert planner.plan("a red cat").regions[0].name == "cat"
child = int(open(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read().split()[0])
os.kill(child, signal.SIGKILL)
assert planner.plan("a blue dog").regions[0].name == "dog"
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc to find the child")
def test_a_killed_llm_server_is_started_again_and_takes_no_code_from_the_folder(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('not the standard library')")
    done = subprocess.run([sys.executable, "-P", "-c", PLANS_TWICE], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "it is started again" in done.stderr


GIVEN_UP = PLANS_TWICE.replace("SHORT_LIFE = 0", "SHORT_LIFE = 1e9").replace(
    'assert planner.plan("a blue dog")',
    f"sys.path.append({str(Path(__file__).parent)!r})\nfrom waiting import until\n"
    "until(lambda: not local_server._urls)\nassert Planner(chat_model('embedded')).plan('a blue dog')",
)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc to find the child")
def test_a_server_that_ended_at_once_is_not_the_last_word(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", GIVEN_UP], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_the_pocket_checkpoint_paints_each_colour_in_its_half() -> None:
    plan = plan_of(2).model_copy(update={"width": None, "height": None})
    left = plan.regions[0].model_copy(update={"prompt": LeveledPrompt(high_level="car", low_level="red")})
    right = plan.regions[1].model_copy(update={"prompt": LeveledPrompt(high_level="car", low_level="green")})
    scene = LeveledPrompt(high_level="a red car on the left and a green car on the right at night")
    plan = plan.model_copy(update={"scene": scene, "regions": [left, right]})
    image = Renderer().render(RenderRequest(plan=plan, seed=1)).image
    reds, greens = (_reddish(image.crop(half)) for half in ((0, 0, 128, 256), (128, 0, 256, 256)))
    assert image.size == (256, 256) and reds > 800 and greens < -800


def _reddish(image: Image.Image) -> int:
    """Clearly red pixels minus clearly green ones."""
    r, g, b = np.asarray(image, dtype=int).transpose(2, 0, 1)
    return int(((r > g + 60) & (r > b + 60)).sum() - ((g > r + 40) & (g > b + 20)).sum())


def test_all_weights_stay_within_40_megabytes() -> None:
    judges = POCKET.parent.parent / "benchmarks" / "judge"
    weights = [*POCKET.rglob("*.safetensors"), *ADAPTERS.iterdir(), *judges.glob("*.safetensors")]
    assert sum(file.stat().st_size for file in weights) <= 40 * 2**20
