"""One self-contained HTML page of an experiment: tables, plots, sheets of pictures, and where the figures come from.

The page loads nothing and runs nothing (its Content-Security-Policy says so), so it may be passed on as it is.
"""

import base64
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import Protocol

from PIL import Image

from ...renderer.pictures.artifacts import open_image, write
from .plots import Points, line_plot

REPORT, SECTION = "report.html", "section.html"
PACKAGES = ("ditpipe", "torch", "diffusers", "transformers", "langchain", "numpy", "pillow")
SIDE = 144  # pixels of a picture in a sheet
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #8886; padding: .25rem .7rem; text-align: left; vertical-align: top; }
.sheet td, .sheet th { border: 0; padding: 2px; font-size: 12px; font-weight: normal; max-width: 150px; }
img { display: block; } svg { width: 100%; max-width: 40rem; font-size: 12px; } svg text { fill: currentColor; }
.grid { stroke: #8884; } code { overflow-wrap: anywhere; } dt { font-weight: 600; } .note { opacity: .75; }
"""


class Part(Protocol):
    """Something that stands in a report."""

    def html(self) -> str: ...


@dataclass(frozen=True)
class Text:
    """Paragraphs under a heading, if there is one."""

    paragraphs: Sequence[str]
    title: str = ""

    def html(self) -> str:
        return _heading(self.title) + "".join(f"<p>{escape(text)}</p>" for text in self.paragraphs)


@dataclass(frozen=True)
class Table:
    """Cells as text; the head names the columns."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    note: str = ""

    def html(self) -> str:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.head)
        rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows)
        return f'{_heading(self.title)}<div class="wide"><table><tr>{head}</tr>{rows}</table></div>{_note(self.note)}'

    def markdown(self) -> str:
        """The table in Markdown."""
        lines = [f"| {' | '.join(' '.join(cell.split()) for cell in row)} |" for row in (self.head, *self.rows)]
        return "\n".join([*[self.title] * bool(self.title), lines[0], "|" + "---|" * len(self.head), *lines[1:]])


@dataclass(frozen=True)
class Plot:
    """Named lines of (x, y); y from 0 to `top`."""

    series: Mapping[str, Points]
    x_label: str
    y_label: str
    title: str = ""
    note: str = ""
    top: float = 1.0

    def html(self) -> str:
        svg = line_plot(self.series, x_label=self.x_label, y_label=self.y_label, top=self.top)
        return f"{_heading(self.title)}{svg}{_note(self.note)}"


@dataclass(frozen=True)
class Sheet:
    """Pictures in rows: (what the row is called, a file a column; None where there is none)."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Path | None]]]
    title: str = ""
    note: str = ""
    side: int = SIDE

    def html(self) -> str:
        """Raises RunError if a picture cannot be read."""
        head = "".join(f"<th>{escape(column)}</th>" for column in ("", *self.columns))
        rows = ""
        for name, files in self.rows:
            cells = "".join(f"<td>{picture_html(file, self.side) if file else ''}</td>" for file in files)
            rows += f"<tr><th>{escape(name)}</th>{cells}</tr>"
        table = f'<div class="wide"><table class="sheet"><tr>{head}</tr>{rows}</table></div>'
        return f"{_heading(self.title)}{table}{_note(self.note)}"


@dataclass(frozen=True)
class Report:
    """An experiment. comparable: what its figures can be set beside, and what not. seeds: how they were chosen."""

    title: str
    introduction: str
    parts: Sequence[Part]
    comparable: Sequence[str]
    seeds: str = ""
    about: Mapping[str, str] = field(default_factory=dict)  # more lines of where the figures come from

    def tables(self) -> list[str]:
        """Its tables in Markdown, for a terminal."""
        return [part.markdown() for part in self.parts if isinstance(part, Table)]

    def html(self) -> str:
        """Its section of a page, with where the figures come from."""
        inside = "".join(part.html() for part in self.parts)
        comparable = "".join(f"<li>{escape(line)}</li>" for line in self.comparable)
        origin = {"Seeds": self.seeds, **self.about, **provenance()}
        lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in origin.items() if text)
        return (
            f"<section><h2>{escape(self.title)}</h2><p>{escape(self.introduction)}</p>{inside}"
            f"<h3>What this is comparable with</h3><ul>{comparable}</ul>"
            f"<details><summary>Command, versions, machine</summary><dl>{lines}</dl></details></section>"
        )


def write_report(folder: Path, report: Report) -> Path:
    """Writes the page of a run, and its section for a page of several runs; the page's path."""
    section = report.html()
    write(folder / SECTION, section.encode())
    path = folder / REPORT
    write(path, page(f"ditpipe: {report.title}", [section]).encode())
    return path


def page(title: str, sections: Sequence[str]) -> str:
    """A page of sections."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width"><style>'
        f"{STYLE}</style><h1>{escape(title)}</h1>{''.join(sections)}</html>\n"
    )


def provenance() -> dict[str, str]:
    """The command, the versions, the machine and the day."""
    versions = {name: found for name in PACKAGES if (found := _version(name))}
    return {
        "Command": shlex.join(["ditpipe", *sys.argv[1:]]),
        "Versions": ", ".join([f"Python {platform.python_version()}", *(f"{n} {v}" for n, v in versions.items())]),
        "Machine": machine(),
        "Day": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def machine() -> str:
    """'Linux x86_64, 2 cores' and the GPUs that torch sees, if it is loaded."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    names = [cuda.get_device_name(i) for i in range(cuda.device_count())] if cuda and cuda.is_available() else []
    return ", ".join([f"{platform.system()} {platform.machine()}", f"{cores} cores", *(names or ["no GPU"])])


def picture_html(file: Path, side: int = SIDE) -> str:
    """A picture as a data URI, reduced to `side` pixels. Raises RunError if it cannot be read."""
    picture = open_image(file)
    picture.thumbnail((2 * side, 2 * side), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=80)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="" width="{side}" src="data:image/webp;base64,{data}">'


def percent(share: float) -> str:
    """'98%'; a dash for NaN: nothing was judged."""
    return "–" if share != share else f"{100 * share:.0f}%"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _heading(title: str) -> str:
    return f"<h3>{escape(title)}</h3>" if title else ""


def _note(note: str) -> str:
    return f'<p class="note">{escape(note)}</p>' if note else ""
