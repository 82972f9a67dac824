"""What `ditpipe doctor` says of a machine: what is there, what is missing and how to get it, what is slow."""

from importlib.metadata import requires

from ditpipe.agent.cli.commands.doctor import ADVICE, EXTRAS, READERS, Finding, extras, readers, timed
from ditpipe.prompts.errors import ModelError


def found(versions: dict[str, str]) -> dict[str, Finding]:
    return {each.name: each for each in extras(requires("ditpipe") or [], versions.get)}


def test_every_extra_is_named_with_the_line_that_installs_it() -> None:
    nothing = found({})
    assert set(nothing) == {f"extra {extra}" for extra in EXTRAS}
    for extra, one in ((name.removeprefix("extra "), one) for name, one in nothing.items()):
        assert not one.ok and one.detail.endswith(f'pip install "ditpipe[{extra}]"'), one
    assert [name for name, one in nothing.items() if one.needed] == ["extra embedded"]


def test_an_extra_that_is_there_is_ok_and_an_old_package_is_not() -> None:
    versions = {"fastapi": "0.165.1", "python-multipart": "0.0.32", "uvicorn": "0.60", "prometheus-client": "0.25"}
    assert found(versions)["extra serve"].ok
    old = found(versions | {"fastapi": "0.1"})["extra serve"]
    assert not old.ok and "needs fastapi:" in old.detail


def test_what_reads_published_checkpoints_is_named_with_the_line_that_installs_it() -> None:
    lacking = readers(requires("ditpipe") or [], {"protobuf": "6.1", "sentencepiece": "0.1"}.get)
    assert {each.name: each.ok for each in lacking} == dict.fromkeys(READERS, False) | {"protobuf": True}
    assert lacking[2].detail.endswith('pip install "sentencepiece>=0.2"')


def test_what_is_slow_comes_with_what_helps_and_is_not_run_twice() -> None:
    runs: list[int] = []

    def timed_by(*ticks: float) -> Finding:
        clock = iter(ticks)
        return timed("pocket renderer", lambda: runs.append(1), slow=10, clock=lambda: next(clock))

    assert timed_by(0, 3, 10, 11) == Finding("pocket renderer", True, "1.0 s, the first time 3.0 s")
    assert len(runs) == 2
    slow = timed_by(0, 20)
    assert len(runs) == 3 and slow.detail == f"20.0 s with loading; slow: {ADVICE['pocket renderer']}"


def test_what_cannot_run_is_said() -> None:
    def broken() -> None:
        raise ModelError("no weights")

    assert timed("embedded critic", broken, slow=5) == Finding("embedded critic", False, "no weights")


def test_an_installation_older_than_its_files_is_examined_all_the_same() -> None:
    assert {each.name: each.ok for each in readers([], {"accelerate": "1.9"}.get)}["accelerate"]
