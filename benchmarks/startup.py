"""The startup cost of each command, in a process of its own: python -m benchmarks.startup

    python -m benchmarks.startup                          # everything, a few minutes on a small machine
    python -m benchmarks.startup plan tools --runs 3
    python -m benchmarks.startup --against FOLDER         # in turns with another checkout, with ratios

Processor time is user and system time of the process and its children, the local planner's server included. The first
line is the first output on a terminal. Prints a table: the least of the runs shows the cost of the work, the median
that of the work on a busy machine.
"""

import argparse
import ctypes
import json
import os
import pty
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import pages

HERE = Path(__file__).parent.parent
BRIEF = "a red cat on the left and a blue rocket on the right, at night"
ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of prctl: orphans of a command are waited for and counted here


@dataclass(frozen=True)
class Cost:
    """Seconds of one run. `cpu`: None for a server, which is stopped; `first`: until its first line or answer."""

    cpu: float | None
    first: float | None
    wall: float


@dataclass(frozen=True)
class Checkout:
    """A folder with ditpipe's sources, run with this Python's packages."""

    folder: Path

    def command(self, *arguments: str) -> list[str]:
        scripts = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]["scripts"]
        module, function = scripts["ditpipe"].split(":")
        return [sys.executable, "-c", f"from {module} import {function}; {function}()", *arguments]

    @contextmanager
    def environment(self) -> Iterator[dict[str, str]]:
        """An environment in which `import ditpipe` finds this checkout, without the user's settings and files."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "ditpipe").symlink_to(self.folder)
            inherited = {name: value for name, value in os.environ.items() if not name.startswith("DITPIPE_")}
            out = {"DITPIPE_OUT": f"{folder}/runs", "DITPIPE_SESSIONS": f"{folder}/sessions"}
            yield inherited | out | {"PYTHONPATH": folder, "TERM": "xterm"}


def run(command: Sequence[str], environment: dict[str, str]) -> Cost:
    """A command that ends, on a terminal. Raises RuntimeError if it fails."""
    before, began, first, text = _spent(), time.perf_counter(), None, b""
    with _on_terminal(command, environment) as (process, terminal):
        while chunk := _read(terminal):
            first = first or time.perf_counter() - began
            text += chunk
        code, wall = process.wait(), time.perf_counter() - began
    _wait_for_orphans()
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with code {code}:\n{text.decode(errors='replace')}")
    return Cost(_spent() - before, first, wall)


def first_line(command: Sequence[str], environment: dict[str, str]) -> Cost:
    """A server or a conversation, stopped after its first line."""
    began = time.perf_counter()
    with _on_terminal(command, environment) as (process, terminal):
        _read(terminal)
        first = time.perf_counter() - began
        process.kill()
        process.wait()
    _wait_for_orphans()
    return Cost(None, first, first)


def listed_tools(command: Sequence[str], environment: dict[str, str]) -> Cost:
    """An MCP server over stdio; `first`: until it answered `initialize`, `wall`: until it listed its tools."""
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "startup", "version": "0"}}
    began = time.perf_counter()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, **pipes) as server:  # type: ignore[call-overload]

        def answered(number: int, method: str, parameters: dict[str, object]) -> float:
            call = {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
            server.stdin.write(json.dumps(call).encode() + b"\n")
            server.stdin.flush()
            assert "result" in json.loads(server.stdout.readline())
            return time.perf_counter() - began

        first = answered(1, "initialize", client)
        server.stdin.write(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
        wall = answered(2, "tools/list", {})
        server.kill()
    _wait_for_orphans()
    return Cost(None, first, wall)


Measure = Callable[[Sequence[str], dict[str, str]], Cost]
COMMANDS: dict[str, tuple[Measure, list[str]]] = {
    "import": (run, []),
    "help": (run, ["--help"]),
    "models": (run, ["models"]),
    "sessions": (run, ["sessions"]),
    "tools": (run, ["tools"]),
    "plan": (run, ["plan", BRIEF, "--planner", "embedded"]),
    "paint": (run, ["paint", BRIEF, "--planner", "embedded", "--rounds", "1"]),
    "mcp": (listed_tools, ["mcp"]),
    "chat": (first_line, ["chat", "--planner", "embedded"]),
    "serve": (first_line, ["serve", "--port", "0"]),
    "web": (first_line, ["web", "--port", "0"]),
}


def measured(name: str, checkout: Checkout) -> Cost:
    """One run of a command of the table."""
    measure, arguments = COMMANDS[name]
    command = [sys.executable, "-c", "import ditpipe"] if name == "import" else checkout.command(*arguments)
    with checkout.environment() as environment:
        return measure(command, environment)


def rows(costs: Sequence[Cost]) -> list[str]:
    """Cells of a table: processor time, first line, wall time; each the least and the median of the runs."""

    def cell(values: Sequence[float | None]) -> str:
        seconds = [value for value in values if value is not None]
        return f"{min(seconds):.2f} / {median(seconds):.2f}" if seconds else ""

    return [cell(column) for column in zip(*((cost.cpu, cost.first, cost.wall) for cost in costs), strict=True)]


def ratio(costs: Sequence[Cost], others: Sequence[Cost]) -> str:
    """The least processor time over the other's; for what is stopped, the least time until its first line."""

    def least(runs: Sequence[Cost]) -> float:
        return min(cost.wall if cost.cpu is None else cost.cpu for cost in runs)

    return f"{least(costs) / least(others):.2f}"


@contextmanager
def _on_terminal(command: Sequence[str], environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command with a terminal of its own for output; its input stays open and says nothing."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        os.close(ours)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # what Linux gives for the end of a terminal
        return b""


def _spent() -> float:
    """Seconds of processor time of all children that were waited for, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _wait_for_orphans() -> None:
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=f"of {', '.join(COMMANDS)}; empty: all")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another checkout, measured in turn with this one")
    options = parser.parse_args()
    if unknown := set(options.commands) - set(COMMANDS):
        parser.error(f"unknown: {', '.join(unknown)}; give some of {', '.join(COMMANDS)}")
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
    checkouts = [Checkout(folder.resolve()) for folder in (HERE, options.against) if folder]
    head = ["command", "CPU s, least / median", "first line s", "wall s"]
    table = [[*head, *([f"the same of {options.against.name}", "", "", "ratio"] if options.against else [])]]
    for name in options.commands or COMMANDS:
        costs: list[list[Cost]] = [[] for _ in checkouts]
        for number in range(options.runs + 1):
            for checkout, runs in zip(checkouts, costs, strict=True):
                cost = measured(name, checkout)
                if number:  # the first one reads the files from the disk
                    runs.append(cost)
        line = [name] + [cell for runs in costs for cell in rows(runs)]
        table.append([*line, ratio(*costs)] if options.against else line)
        print(f"measured {name}", file=sys.stderr)
    print(pages.markdown(table))


if __name__ == "__main__":
    main()
