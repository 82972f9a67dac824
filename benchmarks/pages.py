"""What the benchmarks write: pages of docs/. Imports nothing heavy."""

from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def markdown(lines: list[list[str]]) -> str:
    """A Markdown table; the first line is its head."""
    head, *rest = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([head, "|" + "---|" * len(lines[0]), *rest])
