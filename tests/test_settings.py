"""Settings are declared once: their options, help and environment names are made from `Settings`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import refused, run
from pydantic import ValidationError
from typer.testing import CliRunner

import ditpipe
from ditpipe.agent.cli.main import app
from ditpipe.agent.cli.options import PANELS, SETTINGS, flag
from ditpipe.agent.settings import Settings, settings_of
from ditpipe.prompts.errors import first_problem

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]

# What a command that draws does not take, and why. A setting that is not named here is an option of each of them.
NOT_TAKEN = {
    "paint": {"sessions": "it holds no conversation"},
    "render": {
        "planner": "the plan is there", "approve": "the plan is the person's", "out": "a file",
        "rounds": "it draws once", "threshold": "it draws once", "sessions": "it holds no conversation",
    },
    "chat": {"out": "runs stay with their conversation"},
    "web": {"out": "runs stay with their conversation", "approve": "the page has a tick for it"},
    "serve": {"approve": "nobody is asked", "sessions": "it holds no conversation"},
    "mcp": {"approve": "nobody is asked", "sessions": "it holds no conversation"},
}  # fmt: skip
# Options of a command that are named as a setting's and are something else there.
OTHER_MEANINGS = {
    ("edit", "--seed"): "of the region", ("plan", "--out"): "a file", ("render", "--out"): "a file",
    ("edit", "--out"): "a file", ("repaint", "--out"): "a file", ("import", "--out"): "a file",
    ("export", "--out"): "a file", ("change", "--out"): "a file", ("batch", "--out"): "a folder of its own",
}  # fmt: skip


def options(command: str) -> dict[str, Any]:
    return {param.opts[0]: param for param in COMMANDS[command].params if param.param_type_name == "option"}


def panels(text: str) -> dict[str, str]:
    """The panels of a --help by their titles."""
    parts = [part.partition(" ─") for part in text.split("╭─ ")[1:]]
    return {title: body for title, _, body in parts}


def test_every_setting_is_in_the_help_of_paint_in_its_group_with_its_variable() -> None:
    shown = panels(CliRunner().invoke(app, ["paint", "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).stdout)
    for name in Settings.model_fields:
        if name in ("api_key", "image_api_key", "sessions"):
            continue
        group = shown[SETTINGS[name]["group"]]
        assert f"{flag(name)} " in group and f"DITPIPE_{name.upper()}" in group, name
    assert "DITPIPE_API_KEY" in shown["Model"]  # no option: a list of processes shows those
    assert "FILE[@FOLDER that configures it]" in shown["Model"]  # brackets are text, and no markup


@pytest.mark.parametrize("command", ["paint", "render", "edit", "repaint", "mcp"])
def test_the_groups_stand_in_the_same_order_everywhere(command: str) -> None:
    shown = [title for title in panels(CliRunner().invoke(app, [command, "--help"]).stdout) if title in PANELS]
    assert shown == [panel for panel in PANELS if panel in shown] and len(shown) >= 4


def test_the_first_help_lists_every_setting_by_group() -> None:
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).stdout
    for group in ("Model", "Plan", "Render", "Memory and speed", "Output"):
        line = next(line for line in text.splitlines() if line.strip().startswith(f"{group}: "))
        expected = {flag(name) for name in SETTINGS if SETTINGS[name]["group"] == group}
        assert set(line.split(": ")[1].strip().split(", ")) == expected


@pytest.mark.parametrize("command", NOT_TAKEN)
def test_a_command_that_draws_takes_every_setting_that_it_uses(command: str) -> None:
    there = {option for option in options(command) if (command, option) not in OTHER_MEANINGS}
    taken = {name for name in SETTINGS if flag(name) in there}
    assert taken == set(SETTINGS) - set(NOT_TAKEN[command])


def test_an_option_named_as_a_settings_is_the_settings() -> None:
    flags = {flag(name): name for name in SETTINGS}
    for command in COMMANDS:
        for option, param in options(command).items():
            if option in flags and (command, option) not in OTHER_MEANINGS:
                assert str(Settings.model_fields[flags[option]].description) in param.help.replace("\\", "")


def declared() -> Iterator[str]:
    """Each option that the sources of the command line declare."""
    for file in (Path(ditpipe.__file__).parent / "agent" / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("option", "typer.Option"):
                texts = [str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)]
                yield from (text.partition("/")[0] for text in texts if text.startswith("--"))


def test_no_option_is_declared_twice() -> None:
    found = list(declared())
    assert len(found) > 20
    twice = {option for option in found if found.count(option) > 1}
    # A ControlNet to draw with, and one that a picture names to agree to; a plan's field, and what a layout's program
    # keeps beside it; the format of a layout, and of function schemas; a large picture, and a run of large ones; a
    # file that a command writes, and a batch's folder.
    assert twice == {"--control", "--set", "--format", "--large", "--out"}
    assert set(found) & {flag(name) for name in SETTINGS} == {option for _, option in OTHER_MEANINGS}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("rounds", "many", "rounds: Input should be a valid integer"),
        ("rounds", "0", "rounds: Input should be greater than or equal to 1"),
        ("guidance_scale", "much", "guidance_scale: Input should be a valid number"),
        ("solver", "magic", "solver: Input should be 'euler' or 'dpm++'"),
        ("size", "100", "size: give pixels a side, such as 512, or WIDTHxHEIGHT"),
    ],
)
def test_a_wrong_value_is_one_line_from_an_option_the_environment_and_python(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = CliRunner().invoke(app, ["paint", "a cat", flag(name), value]).exception
    assert isinstance(error, ValidationError) and first_problem(error).startswith(told)
    with pytest.raises(ValidationError) as raised:
        settings_of(**{name: value})
    assert first_problem(raised.value).startswith(told)
    monkeypatch.setenv(f"DITPIPE_{name.upper()}", value)
    with pytest.raises(ValidationError) as raised:
        settings_of()
    assert first_problem(raised.value).startswith(told)


@pytest.mark.process
def test_a_wrong_option_or_argument_is_one_line(tmp_path: Path) -> None:
    refused(run("paint", "a cat", "--nope", cwd=tmp_path), "No such option: --nope", "ditpipe paint --help")
    refused(run("paint", cwd=tmp_path), "Missing argument 'brief'")
    refused(run("render", "a.json", "--denoise", "much", cwd=tmp_path), "'--denoise'", "valid number")
    refused(run("draw", cwd=tmp_path), "No such command 'draw'; ditpipe --help")
    helped = run(cwd=tmp_path)
    assert helped.returncode == 0 and "Draw and judge" in helped.stdout


def test_options_win_over_the_environment_and_switches_go_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ditpipe.agent.cli.options import with_settings

    seen: list[dict[str, Any]] = []
    command = typer.Typer()

    @command.command()
    @with_settings(without=("out",))
    def show(options: dict[str, Any]) -> None:
        seen.append(options)

    monkeypatch.setenv("DITPIPE_COMPILE", "1")
    monkeypatch.setenv("DITPIPE_STEPS", "5")
    assert CliRunner().invoke(command, ["--no-compile", "--steps", "7"]).exit_code == 0
    assert CliRunner().invoke(command, []).exit_code == 0
    assert CliRunner().invoke(command, ["--out", "x"]).exit_code == 2
    settings = [settings_of(**options) for options in seen]
    assert [(one.compile, one.steps) for one in settings] == [(False, 7), (True, 5)]


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name != "base_url"])
def test_an_empty_variable_or_option_is_the_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = Settings.model_fields[name].default
    monkeypatch.setenv(f"DITPIPE_{name.upper()}", "")  # as of `${STEPS}` in a file of docker compose
    assert getattr(settings_of(), name) == default
    monkeypatch.setenv("DITPIPE_STEPS", "5")
    assert getattr(settings_of(**{name: ""}), name) == default  # an option wins over the variable
