"""What encoders do not read of a prompt is told: its end beyond their limits, and words that their tokenizers lack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from plans import plan_of
from tiny_models import LETTERS, TINY, by_speed, clip_tokenizer, gemma_tokenizer, saved, t5_tokenizer
from transformers import GemmaTokenizer
from typer.testing import CliRunner

from ditpipe import LeveledPrompt, Renderer, RenderRequest, ScenePlan
from ditpipe.agent.cli.main import app
from ditpipe.renderer.pictures.artifacts import read_metadata
from ditpipe.renderer.texts.prompt_reading import Cut, read, warnings_of

CHINESE = "一只红色的猫"


def in_bytes() -> Any:
    """A tokenizer that spells what it lacks in bytes, as Gemma's does."""
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", *LETTERS, *(f"<0x{byte:02X}>" for byte in range(256))]
    return GemmaTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, merges=[])


@pytest.mark.parametrize("make", [clip_tokenizer, t5_tokenizer, gemma_tokenizer, in_bytes])
def test_words_that_a_tokenizer_lacks(make: Any) -> None:
    def unknown(text: str) -> list[str]:
        return [word for _, word in read(text, [("it", make(), 77)]).unknown]

    assert unknown("a red cat, small") == [] and unknown("") == [] and unknown("a (red) cat; - & \n") == []
    assert unknown(f"{CHINESE} cat قطة حمراء and 🚀") == [CHINESE, "قطة", "حمراء", "🚀"]
    assert unknown("🚀") == ["🚀"] and unknown(f"red{CHINESE}") == [CHINESE]


@pytest.mark.parametrize("make", [clip_tokenizer, t5_tokenizer, gemma_tokenizer])
def test_the_end_that_is_cut_is_named(make: Any) -> None:
    text, tokenizer = "red cat on a mat", make()
    whole = len(tokenizer(text)["input_ids"])
    assert read(text, [("it", tokenizer, whole)]).cuts == ()
    (cut,) = read(text, [("it", tokenizer, whole - 1)]).cuts  # one letter of the last word has no token left
    assert cut == Cut("it", whole - 1, "mat")
    short = read(text + f" {CHINESE}", [("it", tokenizer, whole - 1)])
    assert short.cuts[0].rest == f"mat {CHINESE}" and short.unknown == ()  # it is cut, which is all there is to say


def test_a_long_text_without_spaces_is_cut_where_the_tokens_end() -> None:
    (cut,) = read("红猫" * 5, [("it", clip_tokenizer(), 2 + 3 * 4)]).cuts
    assert cut.rest == "红猫" * 3


def test_each_prompt_is_told_of_once_with_who_reads_how_much() -> None:
    clip, t5, long = clip_tokenizer(), t5_tokenizer(), "many things " * 9
    knowing = GemmaTokenizer(vocab={piece: index for index, piece in enumerate([*"<▁", *LETTERS, "7"])}, merges=[])
    encoders = [("CLIP", clip, 77), ("CLIP", clip, 77), ("T5", t5, 512)]
    (line,) = warnings_of([read(long, encoders)] * 2)
    assert line == (
        f"only the beginning of '{long[:60]}…' is read: CLIP, with 77 tokens, not 'things many things' "
        "(T5 reads all of it)"
    )
    (line,) = warnings_of([read(long, [("CLIP", clip, 77), ("T5", t5, 100)])])
    assert "CLIP, with 77 tokens, not '" in line and "; T5, with 100 tokens, not '" in line and "reads all" not in line
    (line,) = warnings_of([read("cat 7", [("A", clip, 77), ("B", t5, 77), ("C", knowing, 77)])])
    assert line == "A and B do not know '7': only C reads that"
    (line,) = warnings_of([read(f"{word} cat", encoders) for word in ("红", "猫", "红")])
    assert line.startswith("CLIP and T5 do not know '红', '猫': ")


def plan(name: str, high: str) -> ScenePlan:
    side = {"pocket": 256}.get(name, 256 if name.startswith(("sd", "sana")) else 96)
    return plan_of(1).model_copy(update={"width": side, "height": side, "scene": LeveledPrompt(high_level=high)})


def warned(renderer: Renderer, name: str, high: str) -> tuple[str, ...]:
    """What a render says about its prompts, beside other things, such as its size."""
    warnings = renderer.render(RenderRequest(plan=plan(name, high), steps=1)).warnings
    return tuple(warning for warning in warnings if " not know " in warning or "only the beginning" in warning)


@pytest.mark.parametrize("name", ["hunyuan", *by_speed(TINY)])
def test_every_family_tells_of_words_that_it_does_not_know(name: str, tiny: Renderer, tmp_path: Path) -> None:
    renderer = tiny if name == "hunyuan" else Renderer(str(saved(name, tmp_path)), device="cpu")
    (warning,) = warned(renderer, name, f"a {CHINESE}")
    expected = {"hunyuan": "BERT and T5 do", "sd": "CLIP does", "sdxl": "CLIP does", "flux": "CLIP and T5 do"}
    expected |= {"sana": "Gemma 2 does", "sana-1.5": "Gemma 2 does", "sd3": "CLIP and T5 do", "sd3.5": "CLIP and T5 do"}
    assert warning.startswith(f"{expected.get(name, 'T5 does')} not know '{CHINESE}'")
    assert warned(renderer, name, "a cat") == ()


@pytest.mark.parametrize("name, encoder", [("flux", "CLIP"), ("sd3", "CLIP"), ("hunyuan", "BERT")])
def test_a_prompt_that_is_cut_by_one_of_two_encoders(
    name: str, encoder: str, tiny: Renderer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    renderer = tiny if name == "hunyuan" else Renderer(str(saved(name, tmp_path)), device="cpu")
    (warning,) = warned(renderer, name, "many things " * 8)
    assert "(T5 reads all of it)" in warning and f"{encoder}, with 77 tokens, not '" in warning
    assert "truncated" not in capfd.readouterr().err  # what diffusers has to say of it is said already


def test_it_is_told_on_the_command_line_and_in_the_png(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(plan("pocket", CHINESE).model_dump_json(), encoding="utf-8")
    out = tmp_path / "a.png"
    arguments = ["render", str(tmp_path / "plan.json"), "--steps", "1", "--out", str(out), "--json"]
    done = CliRunner().invoke(app, arguments)
    (warning,) = (line for line in json.loads(done.stdout)["warnings"] if "not know" in line)
    assert f"do not know '{CHINESE}'" in warning and warning in " ".join(done.stderr.split())
    assert warning in read_metadata(out)[1]
    (tmp_path / "plan.json").write_text(plan("pocket", "a red cat on the left").model_dump_json(), encoding="utf-8")
    assert "not know" not in CliRunner().invoke(app, arguments).stdout
