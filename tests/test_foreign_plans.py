"""Plans in other scripts pass through what words plans for people, and keep their words."""

import pytest

from ditpipe import Box, LeveledPrompt, Region, Revision, ScenePlan, columns
from ditpipe.agent.chat.phrases import contents, with_article
from ditpipe.prompts.prompt_style import sync_revision, sync_scene_prompt
from ditpipe.prompts.revision import RegionChange

LEFT, RIGHT = columns(2)
WOMAN = Region(name="祖母", box=LEFT, prompt=LeveledPrompt(high_level="一位老妇人", low_level="白发"))
CAT = Region(name="猫", box=RIGHT, prompt=LeveledPrompt(high_level="一只猫", low_level="红色"))
PLAN = ScenePlan(scene=LeveledPrompt(high_level="一位老妇人和一只猫在花园里"), regions=[WOMAN, CAT])


def test_replies_name_things_in_their_own_words() -> None:
    assert contents(PLAN) == "一位老妇人 (left) and 一只猫 (right)"
    assert with_article(CAT) == "the 一只猫"


def test_a_change_of_a_region_reaches_the_scene_where_that_names_it() -> None:
    dog = Revision(changes=[RegionChange(name="猫", prompt=LeveledPrompt(high_level="一只狗"))])
    changed = sync_revision(dog, PLAN).apply(PLAN)
    assert changed.scene.high_level == "一位老妇人和一只狗在花园里"
    assert changed.region("猫").prompt.high_level == "一只狗", "no place words are added"
    hound = Region(name="Hund", box=RIGHT, prompt=LeveledPrompt(high_level="一只狗"))
    replaced = PLAN.model_copy(update={"regions": [WOMAN, hound]})
    assert sync_scene_prompt(PLAN, replaced).scene.high_level == "一位老妇人和一只狗在花园里"
    moved = PLAN.model_copy(update={"regions": [WOMAN, CAT.model_copy(update={"box": LEFT})]})
    assert sync_scene_prompt(PLAN, moved).scene == PLAN.scene


@pytest.mark.parametrize(
    ("scene", "name", "becomes", "reads"),
    [
        ("A Christmas tree under a starry night sky.", "star", "", "A Christmas tree under a starry night sky."),
        ("A cathedral square at dusk with a cat on its steps.", "cat", "dog",
         "A cathedral square at dusk with a dog on its steps."),
        ("A mansion on a hill, a man at its gate.", "man", "", "A mansion on a hill at its gate."),
        ("A cat sits on a mat.", "cat", "dog", "A dog sits on a mat."),
    ],
)  # fmt: skip
def test_a_word_inside_another_is_not_the_thing(scene: str, name: str, becomes: str, reads: str) -> None:
    box = Box(left=0, top=0, right=1, bottom=1)
    before = ScenePlan(scene=LeveledPrompt(high_level=scene), regions=[thing(name, box)])
    after = before.model_copy(update={"regions": [thing(becomes, box)] if becomes else []})
    assert sync_scene_prompt(before, after).scene.high_level == reads


def thing(name: str, box: Box) -> Region:
    return Region(name=name, box=box, prompt=LeveledPrompt(high_level=f"a {name}"))
