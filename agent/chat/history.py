"""Undo and redo in the tree of pictures: a turn with a picture is a child of the turn that it was made from."""

from collections.abc import Sequence

from .store import Turn


def path_to(turns: Sequence[Turn], number: int | None) -> list[Turn]:
    """The turns from the first picture to turn `number`, parent by parent; empty for None."""
    by_number, path = {turn.number: turn for turn in turns}, list[Turn]()
    while number is not None:
        path.append(by_number[number])
        number = by_number[number].parent
    return path[::-1]


def steps_back(turns: Sequence[Turn], head: int | None, steps: int) -> int:
    """Number of the turn whose picture came `steps` before the head's. Raises ValueError if there is no such turn."""
    path = path_to(turns, head)
    if not path:
        raise ValueError("there is no picture yet, so nothing to undo")
    if steps >= len(path):
        before = len(path) - 1
        raise ValueError(
            "this is the first picture, there is nothing before it"
            if not before
            else f"there {'is only one picture' if before == 1 else f'are only {before} pictures'} before this one"
        )
    return path[-1 - steps].number


def steps_forward(turns: Sequence[Turn], head: int | None, steps: int) -> int:
    """Number of the turn `steps` after the head, on the path that was last undone.

    0 steps: the head before the last undo. Raises ValueError if nothing was undone.
    """
    undone = next((i for i in range(len(turns) - 1, 0, -1) if turns[i].kind == "undo"), 0)
    if not steps and undone and turns[undone].head == head and turns[undone - 1].head not in (None, head):
        return turns[undone - 1].head or 0
    steps = steps or 1
    for turn in reversed(turns):
        path = [state.number for state in path_to(turns, turn.head)]
        if head in path and path[-1] != head:
            after = path[path.index(head) + 1 :]
            if steps > len(after):
                raise ValueError(f"there {'is' if len(after) == 1 else 'are'} only {len(after)} to go forward to")
            return after[steps - 1]
    raise ValueError("nothing was undone, so there is nothing to go forward to")
