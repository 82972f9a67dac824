"""Layouts as language models give them, and the boxes of a plan that they become."""

import random

import pytest

from ditpipe import LeveledPrompt, Region
from ditpipe.prompts.layout.normalise import Layout, normalise
from ditpipe.prompts.layout.token_owners import order_of, owned_tokens, token_owners
from ditpipe.prompts.plan import Box
from ditpipe.renderer.regions.region_masks import region_ids


def edges(layout: Layout) -> list[list[float]]:
    return [[round(value, 2) for value in box.model_dump().values()] for box in layout.boxes]


@pytest.mark.parametrize(
    "boxes, wanted, note",
    [
        ([[100, 200, 500, 1000]], [[0.1, 0.2, 0.5, 1.0]], ""),
        ([[0.1, 0.2, 0.5, 1]], [[0.1, 0.2, 0.5, 1.0]], "shares from 0 to 1"),
        ([[10, 20, 50, 100]], [[0.1, 0.2, 0.5, 1.0]], "percent"),
        ([[0, 0, 640, 384], [640, 0, 1280, 768]], [[0, 0, 0.5, 0.5], [0.5, 0, 1, 1]], "pixels of 1280×768"),
        ([[0, 0, 128, 256], [200, 0, 300, 256], [384, 256, 512, 512]],
         [[0, 0, 0.25, 0.5], [0.39, 0, 0.59, 0.5], [0.75, 0.5, 1, 1]], "pixels of 512×512"),
        ([[0, 0, 200, 250], [250, 50, 500, 250], [100, 300, 350, 500]],
         [[0, 0, 0.2, 0.25], [0.25, 0.05, 0.5, 0.25], [0.1, 0.3, 0.35, 0.5]], ""),
        ([[50, 50, 150, 150], [200, 80, 300, 180], [380, 200, 480, 300]],
         [[0.05, 0.05, 0.15, 0.15], [0.2, 0.08, 0.3, 0.18], [0.38, 0.2, 0.48, 0.3]], ""),
        ([[500, 200, 100, 1000]], [[0.1, 0.2, 0.5, 1.0]], "wrong order"),
        ([[900, -20, 1040, 200]], [[0.9, 0.0, 1.0, 0.2]], "cut at its edge"),
        ([[0, 0, 400, 500], [1600, 0, 2000, 500]], [[0, 0, 0.2, 0.5], [0.8, 0, 1, 0.5]], "scaled to fit"),
        ([[100, 500, 900, 500]], [[0.1, 0.5, 0.9, 0.52]], "smaller than a token"),
        ([[500, 500]], [[0.4, 0.4, 0.6, 0.6]], "points"),
    ],
)  # fmt: skip
def test_units_order_and_edges_are_put_right(boxes: list[list[float]], wanted: list[list[float]], note: str) -> None:
    layout = normalise(["thing"] * len(boxes), boxes, canvas=(1280, 768))
    assert edges(layout) == wanted
    assert note in "; ".join(layout.notes) and (note or not layout.notes)


def test_what_lies_in_a_larger_box_is_in_front_of_it() -> None:
    layout = normalise(["cup", "table", "lamp"], [[400, 400, 500, 500], [100, 300, 900, 700], [0, 0, 100, 200]])
    assert layout.z_orders == [1, 0, 2]
    assert layout.notes == ["put in front of the larger boxes that they mostly lie in: 'cup'"]


def test_what_stands_in_front_is_believed_unless_it_hides_the_other() -> None:
    boxes = [[0, 0, 600, 600], [400, 0, 1000, 600]]
    assert normalise(["man", "wall"], boxes, in_front=[(0, 1)]).z_orders == [1, 0]
    inside = normalise(["box", "ball"], [[0, 0, 600, 600], [200, 200, 300, 300]], in_front=[(0, 1)])
    assert inside.z_orders == [0, 0] and inside.notes == ["'box' cannot be in front of 'ball', which would not be seen"]
    circle = normalise(["a", "b"], boxes, in_front=[(0, 1), (1, 0)])
    assert circle.z_orders == [1, 0] and "contradicts the other pairs" in circle.notes[0]
    sofa = [[300, 300, 700, 700], [100, 400, 900, 950]]
    assert normalise(["cat", "sofa"], sofa).z_orders == [1, 0]
    assert normalise(["cat", "fence"], sofa, in_front=[(1, 0)]).z_orders == [0, 0]


def test_equal_names_are_numbered_and_equal_boxes_divided() -> None:
    layout = normalise(["cat", "cat", ""], [[0, 0, 500, 400], [0, 0, 500, 400], [600, 600, 900, 900]])
    assert layout.names == ["cat", "cat 2", "object"]
    assert edges(layout)[:2] == [[0, 0, 0.25, 0.4], [0.25, 0, 0.5, 0.4]]
    assert layout.notes == ["'cat', 'cat 2' had one box: divided between them"]


def test_what_has_no_room_is_left_out_and_said() -> None:
    many = [[20 * i, 0, 20 * i + 20, 500] for i in range(40)]
    layout = normalise([f"tree {i}" for i in range(40)], many)
    assert len(layout.boxes) == 32 and "room for 32 regions: left out 'tree 32'" in layout.notes[0]


@pytest.mark.parametrize("box", [[1, 2, 3], [0, 0, float("nan"), 1], [0, 0, float("inf"), 1]])
def test_what_is_no_box_is_refused_in_words_for_the_model(box: list[float]) -> None:
    with pytest.raises(ValueError, match="four finite numbers"):
        normalise(["cat"], [box])


def any_layout(seed: int) -> tuple[list[str], list[list[float]], tuple[int, int], list[tuple[int, int]]]:
    """A layout as bad as they come: any unit, equal and empty boxes, points, negative edges, many objects."""
    dice = random.Random(seed)
    scale = dice.choice([1, 100, 512, 1000, 5000])
    count = dice.choice([0, 1, 2, 5, 20, 32, 50])
    few = [[round(dice.uniform(-0.3, 1.3) * scale, 2) for _ in range(dice.choice([2, 4, 4, 4]))] for _ in range(4)]
    boxes = [dice.choice(few) if dice.random() < 0.4 else
             [dice.uniform(-0.2, 1.2) * scale for _ in range(4)] for _ in range(count)]  # fmt: skip
    names = [dice.choice(["cat", "dog", "", "猫", "x" * 80]) for _ in range(count)]
    pairs = [(dice.randrange(count), dice.randrange(count)) for _ in range(5)] if count else []
    return names, boxes, dice.choice([(1024, 1024), (1280, 768), (128, 128), (64, 512)]), pairs


@pytest.mark.parametrize("seed", range(300))
def test_whatever_the_layout_every_object_owns_a_token(seed: int) -> None:
    names, boxes, canvas, pairs = any_layout(seed)
    layout = normalise(names, boxes, canvas=canvas, in_front=pairs)
    rows, columns = canvas[1] // 16, canvas[0] // 16
    assert len(set(layout.names)) == len(layout.boxes) == min(len(names), 32, rows * columns)
    assert all(owned_tokens(layout.boxes, order=order_of(layout.z_orders), rows=rows, columns=columns))


@pytest.mark.parametrize("seed", range(20))
def test_owners_are_those_of_the_renderer(seed: int) -> None:
    dice = random.Random(seed)

    def span() -> tuple[float, float]:
        start = dice.uniform(0, 0.9)
        return start, dice.uniform(start + 0.1, 1)

    regions = []
    for index in range(dice.randrange(1, 12)):
        (left, right), (top, bottom) = span(), span()
        box = Box(left=left, top=top, right=right, bottom=bottom)
        prompt = LeveledPrompt(high_level="cat")
        regions.append(Region(name=str(index), box=box, prompt=prompt, z_order=dice.randrange(3)))
    order = order_of([region.z_order for region in regions])
    owners = token_owners([region.box for region in regions], order=order, rows=12, columns=20)
    assert [one + 1 for row in owners for one in row] == region_ids(regions, rows=12, columns=20).tolist()
