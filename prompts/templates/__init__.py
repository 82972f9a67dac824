"""The words sent to models: Markdown files beside this one, with $names that must all be given. And lists of words."""

from functools import cache
from importlib.resources import files
from string import Template


def fill_template(name: str, **values: str) -> str:
    """The text of NAME.md with its $names filled in. Raises ValueError for an unknown or missing value."""
    template = Template(files(__package__).joinpath(f"{name}.md").read_text(encoding="utf-8").strip())
    wanted = set(template.get_identifiers())
    if wanted != values.keys():
        raise ValueError(f"{name}.md needs {sorted(wanted) or 'no values'}, got {sorted(values) or 'none'}")
    return template.substitute(values)


@cache
def word_list(name: str) -> frozenset[str]:
    """The words of NAME.txt, in small letters."""
    return frozenset(files(__package__).joinpath(f"{name}.txt").read_text(encoding="utf-8").split())
