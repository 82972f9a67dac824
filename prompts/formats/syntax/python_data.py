"""Python text read as data: literals of calls and assignments. Nothing is run."""

from __future__ import annotations

import ast
import re
from typing import Any

MOST_PYTHON = 200_000  # characters
MOST_DEPTH = 60  # brackets within brackets
_FENCE = re.compile(r"```[a-zA-Z]*[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL)


def parse_python(text: str) -> ast.Module:
    """The syntax tree of Python text, or of the first fenced block in it. Raises ValueError, one line."""
    fence = _FENCE.search(text) if len(text) <= MOST_PYTHON else None
    code = fence[1] if fence else text
    if len(code) > MOST_PYTHON:
        raise ValueError(f"{len(code):,} characters of Python are too many: at most {MOST_PYTHON:,} are read")
    depth = deepest = 0
    for char in code:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    if deepest > MOST_DEPTH:
        raise ValueError("this Python text is nested too deeply")
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError("not Python text that can be read") from error


def literal(node: ast.AST | None) -> Any:
    """The value of a literal: text, number, list, dictionary …; None for anything else."""
    try:
        return ast.literal_eval(node) if isinstance(node, ast.expr) else None
    except (ValueError, TypeError, RecursionError, MemoryError, SyntaxError):
        return None


def assignments(tree: ast.Module) -> dict[str, Any]:
    """Names and the literals assigned to them, wherever in the text; the last of each name."""
    found = {}
    for statement in _in_order(tree):
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], literal(statement.value)
            if isinstance(target, ast.Name) and value is not None:
                found[target.id] = value
    return found


def calls(tree: ast.Module) -> list[tuple[str, list[ast.expr], dict[str, ast.expr]]]:
    """Name, positional and named arguments of each method call that is a statement, in their order."""
    found = []
    for statement in _in_order(tree):
        call = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
            found.append((call.func.attr, call.args, named))
    return found


def _in_order(tree: ast.Module) -> list[ast.stmt]:
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return sorted(statements, key=lambda statement: (statement.lineno, statement.col_offset))
