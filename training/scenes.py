"""Random scenes of the pocket world: how many things, where, how large."""

import numpy as np

from training.world import BACKGROUNDS, LIGHTS, STYLES, Scene, Thing, random_things

# (arrangement, its share of all pictures)
ARRANGEMENTS = {
    "free": 0.12, "centre": 0.14, "pair": 0.20, "stack": 0.08, "row3": 0.05, "column3": 0.03, "quad": 0.14,
    "corner3": 0.03, "nine": 0.07, "scatter": 0.10, "opposite": 0.04, "line": 0.16, "before": 0.12, "none": 0.02,
}  # fmt: skip
GRIDS = {"pair": (2, 1), "stack": (1, 2), "row3": (3, 1), "column3": (1, 3), "quad": (2, 2), "nine": (3, 3)}


def _cells(columns: int, rows: int) -> list[tuple[float, float, float]]:
    """Centres and sizes (x, y, size) of a regular grid, row by row."""
    fit = 1 / max(columns, rows)
    return [((c + 0.5) / columns, (r + 0.5) / rows, fit) for r in range(rows) for c in range(columns)]


def regions_of(scene: Scene, arrangement: str, rng: np.random.Generator) -> list[tuple[float, float, float, float]]:
    """A box (left, top, right, bottom) per thing, as in a plan: its cell of the grid, or a box around it."""
    grids = {**GRIDS, "corner3": (2, 2), "opposite": (2, 2), "centre": (1, 1)}
    if arrangement == "line":  # columns or rows of the whole picture, if it runs through the middle
        across, down = ({getattr(thing, axis) for thing in scene.things} for axis in "xy")
        grids |= {"line": (len(across), len(down))} if {0.5} in (across, down) else {}
    grid = grids.get(arrangement)
    cells = grid if grid and rng.random() < 0.6 else None
    boxes = []
    for thing in scene.things:
        if cells:
            (columns, rows), column, row = cells, int(thing.x * cells[0]), int(thing.y * cells[1])
            boxes.append((column / columns, row / rows, (column + 1) / columns, (row + 1) / rows))
        else:
            width, height = thing.size * rng.uniform(0.95, 1.3, 2)
            x, y = thing.x + rng.uniform(-0.02, 0.02), thing.y + rng.uniform(-0.02, 0.02)
            box = np.clip((x - width / 2, y - height / 2, x + width / 2, y + height / 2), 0, 1)
            boxes.append(tuple(float(edge) for edge in box))
    return boxes


def random_scene(rng: np.random.Generator) -> tuple[Scene, str]:
    """A scene and the name of its arrangement, which determines its captions."""
    arrangement = str(
        rng.choice(list(ARRANGEMENTS), p=np.array(list(ARRANGEMENTS.values())) / sum(ARRANGEMENTS.values()))
    )
    if arrangement == "free":
        size = rng.uniform(0.22, 0.72)
        cells = [(rng.uniform(size / 2, 1 - size / 2), rng.uniform(size / 2, 1 - size / 2), size / 0.86)]
    elif arrangement == "centre":
        cells = [(0.5, 0.5, rng.uniform(0.55, 1.0))]
    elif arrangement == "scatter":
        cells = _scattered(rng)
    elif arrangement == "line":
        cells = _line(rng)
    elif arrangement == "before":
        cells = _before(rng)
    elif arrangement == "none":
        cells = []
    elif arrangement == "corner3":
        empty = int(rng.integers(4))
        cells = [cell for i, cell in enumerate(_cells(2, 2)) if i != empty]
    elif arrangement == "opposite":
        corners = _cells(2, 2)
        cells = [corners[0], corners[3]] if rng.random() < 0.5 else [corners[1], corners[2]]
    else:
        cells = _cells(*GRIDS[arrangement])
    jitter = 0.06 if arrangement in {*GRIDS, "corner3", "opposite"} else 0.0
    style, mixed = STYLES[int(rng.random() < 0.22)], rng.random() < 0.1
    things = []
    for (subject, colour, pattern), (x, y, fit) in zip(random_things(rng, len(cells)), cells, strict=True):
        x, y = x + rng.uniform(-jitter, jitter) * fit, y + rng.uniform(-jitter, jitter) * fit
        own = STYLES[rng.integers(2)] if mixed else style
        things.append(Thing(subject, colour, x, y, fit * rng.uniform(0.72, 0.92), pattern, own))
    light = "bright" if rng.random() < 0.7 else LIGHTS[rng.integers(1, 3)]
    return Scene(str(rng.choice(BACKGROUNDS)), tuple(things), int(rng.integers(2**31)), light), arrangement


def _scattered(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Two to four squares anywhere that do not overlap, as (x, y, size)."""
    wanted, found, tries = int(rng.integers(2, 5)), [], 0
    while len(found) < wanted:
        size = rng.uniform(0.24, 0.52 if wanted == 2 else 0.45)
        x, y = rng.uniform(size / 2, 1 - size / 2, 2)
        if all(max(abs(x - u), abs(y - v)) > (size + other) / 2 for u, v, other in found):
            found.append((x, y, size))
        tries += 1
        if tries % 50 == 0:  # no room is left: start again
            found = []
    return found


def _line(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Four to six equal cells in a row or, one time in four, a column; half of them through the picture's middle."""
    count = int(rng.integers(4, 7))
    fit = 1 / count
    aside = 0.5 if rng.random() < 0.5 else float(rng.uniform(0.2, 0.8))
    along = [(i + 0.5) * fit for i in range(count)]
    return [(at, aside, fit) for at in along] if rng.random() < 0.75 else [(aside, at, fit) for at in along]


def _before(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """A large thing, and one or two smaller ones that stand in front of its lower half and hide part of it."""
    size = rng.uniform(0.6, 0.95)
    x, y = rng.uniform(size / 2, 1 - size / 2, 2)
    cells = [(x, y, size)]
    count = 1 if rng.random() < 0.7 else 2
    for side in rng.permutation([-1, 1])[:count]:
        small = rng.uniform(0.28, 0.42)
        near = x + side * rng.uniform(0.1, 0.35) * size, y + rng.uniform(0.05, 0.35) * size
        cells.append((*(float(np.clip(at, small / 2, 1 - small / 2)) for at in near), small))
    return cells
