"""Prompts counted by the models' own tokenizers, without torch, as transformers counts them."""

import subprocess
import sys
from pathlib import Path

import pytest
from published import published
from transformers import AutoTokenizer

from ditpipe import LeveledPrompt, ScenePlan
from ditpipe.renderer.checkpoints.registry import FAMILIES, checkpoint
from ditpipe.renderer.texts.prompt_lengths import counter_of, overlong_prompts, tokenizer_in

TEXTS = ("a red cat, on the left; it's 5 o'clock", "", "一只红猫", "A  Photo\nof TWO green chairs!", "naïve 🐱 café")


@pytest.mark.parametrize(
    "name",
    [
        "hunyuan-1.2",
        "pixart-sigma",
        "sana",
        "sd-1.5",
        "sdxl",
        "sd3",
        "flux-schnell",
        "qwen-image",
        "z-image",
        "lumina-2",
        "chroma",
    ],
)
def test_tokens_are_counted_as_transformers_counts_them(name: str, tmp_path: Path) -> None:
    folder = published(name, tmp_path)
    row = checkpoint(str(folder))
    count, theirs = counter_of(row), AutoTokenizer.from_pretrained(folder / FAMILIES[row.family].reader)
    assert count
    assert [count(text) for text in TEXTS] == [len(theirs(text)["input_ids"]) for text in TEXTS]


def test_what_is_too_long_is_said_with_the_tokens_over() -> None:
    row = checkpoint("pocket")
    long = ScenePlan(scene=LeveledPrompt(high_level="a cat " * 60), regions=[], negative="dog")
    (finding,) = overlong_prompts(row, long)
    assert finding.startswith("The prompt of the scene has ") and "reads 77: shorten it by" in finding
    assert not overlong_prompts(row, ScenePlan(scene=LeveledPrompt(high_level="a cat"), regions=[]))


def test_budgets_are_those_of_the_variant(tmp_path: Path) -> None:
    named = {name: max(checkpoint(name).style.tokens.values()) for name in ("pixart-alpha", "pixart-sigma", "flux-dev")}
    assert named == {"pixart-alpha": 120, "pixart-sigma": 300, "flux-dev": 512}
    found = {name: max(checkpoint(str(published(name, tmp_path))).style.tokens.values())
             for name in ("pixart-alpha", "pixart-sigma", "flux-dev", "flux-schnell")}  # fmt: skip
    assert found == named | {"flux-schnell": 256}


def test_a_model_that_is_not_here_is_not_fetched_to_be_counted_by() -> None:
    long = ScenePlan(scene=LeveledPrompt(high_level="a cat " * 160), regions=[])
    assert counter_of(checkpoint("pixart-sigma")) is None and not overlong_prompts(checkpoint("sana"), long)
    assert tokenizer_in(Path("/nowhere")) is None


@pytest.mark.process
def test_counting_loads_no_torch() -> None:
    code = (
        "import sys\nfrom ditpipe.renderer.texts.prompt_lengths import counter_of\n"
        "from ditpipe.renderer.checkpoints.registry import checkpoint\n"
        "assert counter_of(checkpoint('pocket'))('a cat') and not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
