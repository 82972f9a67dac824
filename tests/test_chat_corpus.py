"""The synthetic chat messages: their rows are valid, and come to what they say on their own plan."""

import numpy as np
import pytest

examples = pytest.importorskip("training.chat.examples", reason="the training extra is not installed")

from ditpipe.prompts.answers.chat_rows import ChatRows  # noqa: E402


def test_answers_are_valid_rows() -> None:
    kinds = set()
    for number in range(300):
        prompt, rows = examples.chat_example(np.random.default_rng([5, number]))
        kinds |= {row[0] for row in ChatRows.model_validate({"rows": rows}).rows}
        assert prompt.rpartition("\n> ")[2].strip()
    assert len(kinds) >= 15


def test_names_stand_in_the_plan_or_in_the_message() -> None:
    for number in range(300):
        rng = np.random.default_rng([6, number])
        scene = examples.new_scene(rng, least=2)
        text, rows = examples.several_changes(rng, scene)
        known = {item.name for item in scene.items}
        for row in rows:
            if row[0] in ("look", "remove", "move", "size", "nudge"):
                assert set(row[1]) <= known, (text, row)


def test_messages_of_one_moment_differ_in_the_last_line_only() -> None:
    for number in range(100):
        prompts = [prompt for prompt, _ in examples.chat_examples(np.random.default_rng([8, number]), 4)]
        assert len(prompts) == 4 and len({prompt.rpartition("\n> ")[0] for prompt in prompts}) == 1


def test_the_same_seed_gives_the_same_message() -> None:
    assert examples.chat_example(np.random.default_rng(3)) == examples.chat_example(np.random.default_rng(3))
