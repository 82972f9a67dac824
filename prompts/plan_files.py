"""Plans from files: ditpipe's own JSON. Layouts of other programs: formats/."""

from pathlib import Path

from pydantic import ValidationError

from .errors import RunError, first_problem
from .outside_json import parse_json, read_bounded
from .plan import ScenePlan


def parse_plan(content: bytes) -> ScenePlan:
    """The plan in a file's content. Raises ValueError, one line."""
    try:
        return ScenePlan.model_validate(parse_json(content))
    except ValidationError as error:
        raise ValueError(first_problem(error)) from error


def read_plan(path: Path) -> ScenePlan:
    """The plan in a file. Raises RunError."""
    try:
        return parse_plan(read_bounded(path))
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise RunError(f"{path}: {error}") from error
