"""What the benchmarks write: pages of docs/. Imports nothing heavy."""

from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def markdown(lines: list[list[str]]) -> str:
    """A Markdown table; the first line is its head."""
    head, *rest = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([head, "|" + "---|" * len(lines[0]), *rest])


def from_heading(page: Path, heading: str) -> str:
    """The end of a page from a line on, which another benchmark wrote; empty if there is none."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    return text[text.index(f"{heading}\n") :] if f"{heading}\n" in text else ""
