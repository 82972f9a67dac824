"""deploy/: what can be checked without Docker and Kubernetes; and the simulation of docs/scale.md."""

import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import typer
import yaml

from benchmarks.capacity import Assumptions, Day, day, table, through_gpus, through_limit
from ditpipe.agent.cli.main import app

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
STAGES = re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.M)


def serve_options() -> set[str]:
    commands = typer.main.get_command(app)
    return {name for one in commands.commands["serve"].params for name in one.opts}  # type: ignore[attr-defined]


def test_what_they_start_takes_the_options_that_they_give() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    words = [word for service in compose.values() for word in service["command"]]
    words += (DEPLOY / "entrypoint.sh").read_text().partition("exec ditpipe serve")[2].split()
    given = {word for word in words if word.startswith("--")}
    assert {"--log-format", "--keys"} <= given <= serve_options(), given - serve_options()


def test_compose_builds_what_the_dockerfile_has() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for service in services["services"].values():
        build = service["build"]
        assert (DEPLOY / build["context"] / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")
        assert build["target"] in STAGES and service["image"].endswith(build["target"])
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert {volume.partition(":")[0] for volume in service["volumes"]} <= set(services["volumes"])


def test_the_dockerfile_names_what_is_here() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for wanted in re.findall(r"^ARG EXTRAS=(\S+)", DOCKERFILE, re.M):
        assert set(wanted.split(",")) <= set(extras)
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
    assert {"cpu", "cuda"} <= set(STAGES) and all(base in STAGES or base.startswith("python:") for base in bases)
    for copied in re.findall(r"^COPY (\S+) ", DOCKERFILE, re.M):
        assert (ROOT / copied).exists(), copied
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert not {"agent", "tools", "renderer", "prompts", "deploy", "pyproject.toml"} & set(ignored)


def test_the_entrypoint_makes_a_key_once_and_serves_behind_it(tmp_path: Path) -> None:
    entrypoint = DEPLOY / "entrypoint.sh"
    assert entrypoint.stat().st_mode & stat.S_IXUSR
    fake = tmp_path / "ditpipe"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(0o755)
    keys = tmp_path / "keys"
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    for time in range(2):
        started = subprocess.run(
            ["sh", entrypoint, "--model", "pocket"], env={"PATH": path, "DITPIPE_KEYS": str(keys)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert started.stdout == f"serve --host 0.0.0.0 --port 8000 --keys {keys} --model pocket\n"
        first, written = keys.read_text(), "a key was made" in started.stderr
        assert written is (time == 0)
    name, key = first.split()
    assert name == "me" and len(key) >= 32 and keys.stat().st_mode & 0o077 == 0


def test_more_pictures_take_more_gpus_and_the_narrow_part_is_named() -> None:
    import numpy as np

    assert list(through_limit(np.array([0.0, 0.1, 5.0]), 1.0)) == [0.0, 1.0, 5.0]
    assert list(through_gpus(np.array([0.0, 0.0, 1.0]), np.array([3.0, 5.0, 1.0]), 2)) == [0.0, 0.0, 3.0]
    assumed = Assumptions()
    days = [day(size, assumed) for size in (1_000, 100_000)]
    assert days[1].gpus >= days[1].rate * assumed.gpu_seconds > days[0].gpus - 1
    assert all(one.wait_95 <= 30 and not one.narrow for one in days)
    tight = day(100_000, Assumptions(tokens_a_minute=700_000))
    assert "planner API, tokens" in tight.narrow and "planner API, tokens" in table([tight])
    assert isinstance(tight, Day)
