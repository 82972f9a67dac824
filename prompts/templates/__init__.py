"""Prompt templates for language models: Markdown files with $placeholders, and word lists."""

from functools import cache
from importlib.resources import files
from string import Template


def fill_template(name: str, **values: str) -> str:
    """Fills in NAME.md. Raises ValueError if a placeholder has no value or a value no placeholder."""
    template = Template(files(__package__).joinpath(f"{name}.md").read_text(encoding="utf-8").strip())
    wanted = set(template.get_identifiers())
    if wanted != values.keys():
        raise ValueError(f"{name}.md needs {sorted(wanted) or 'no values'}, got {sorted(values) or 'none'}")
    return template.substitute(values)


@cache
def word_list(name: str) -> frozenset[str]:
    """The words of NAME.txt, in lower case."""
    return frozenset(files(__package__).joinpath(f"{name}.txt").read_text(encoding="utf-8").split())
