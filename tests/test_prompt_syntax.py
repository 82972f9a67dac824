"""Weights, LoRA tags, choices and wildcards in prompts: how they are read, and that they act."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from family_plans import plan_of as family_plan
from plans import plan_of
from published import published
from safetensors.torch import save_file

from ditpipe import Agent, LeveledPrompt, Renderer, RenderRequest, Revision, ScenePlan
from ditpipe.prompts.prompt_syntax import (
    Fragment,
    LoraTag,
    chosen,
    fragments,
    plain_text,
    unread_syntax,
    weight_warnings,
    without_loras,
)
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.pictures.artifacts import read_request, write_picture
from ditpipe.renderer.texts.prompt_files import PromptFiles, filled_in
from ditpipe.renderer.texts.prompt_weights import token_weights


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a (red:1.3) cat", [("a ", 1), ("red", 1.3), (" cat", 1)]),
        ("((bold)) [dim]", [("bold", 1.21), (" ", 1), ("dim", 0.9091)]),
        ("(a (b:1.5) c:1.2)", [("a ", 1.2), ("b", 1.8), (" c", 1.2)]),
        ("(word)++ (word)1.4", [("word", 1.21), (" ", 1), ("word", 1.4)]),
        ("(red, striped:.8)", [("red, striped", 0.8)]),
        ("a \\(cat\\) BREAK a dog", [("a (cat), a dog", 1)]),
        ('a sign, the text "COFFEE BREAK" on it', [('a sign, the text "COFFEE BREAK" on it', 1)]),
        ('a sign "[OPEN] (now:1.2)"', [('a sign "[OPEN] (now:1.2)"', 1)]),
        ("a cat (in a hat) at noon (5:30), a screen (4:3)", [("a cat (in a hat) at noon (5:30), a screen (4:3)", 1)]),
        ("(open", [("(open", 1)]), ("close) [from:to:0.5]", [("close) [from:to:0.5]", 1)]),
        ("(" * 40 + "deep" + ")" * 40, None), ("GIVE ME A BREAK", [("GIVE ME A BREAK", 1)]),
    ],
)  # fmt: skip
def test_weights_are_read(text: str, expected: list[tuple[str, float]] | None) -> None:
    found = fragments(text)
    assert expected is None or found == [Fragment(*part) for part in expected]
    assert "".join(part.text for part in found) == plain_text(text)


def test_choices_are_taken_by_the_seed_and_loras_are_taken_off() -> None:
    lists = {"pet": ["cat", "dog", "{small|large} owl"]}
    texts = [chosen("{red|blue} __pet__, {2$$ and $$a|b|c}", Random(seed), lists.get)[0] for seed in range(20)]
    assert texts == [chosen("{red|blue} __pet__, {2$$ and $$a|b|c}", Random(seed), lists.get)[0] for seed in range(20)]
    assert {text.split()[0] for text in texts} == {"red", "blue"} and all(" and " in text for text in texts)
    assert {"cat", "dog", "owl"} <= {word.strip(",") for text in texts for word in text.split()}
    assert not any(set(text) & set("{}|_") for text in texts)
    heavy = [chosen("{9::a|1::b}", Random(seed), lists.get)[0] for seed in range(200)]
    assert heavy.count("a") > 150
    assert chosen("<random:a|b> <wc:pet>", Random(1), {"pet": ["cat"]}.get)[0] in ("a cat", "b cat")
    assert chosen("a __no__, b", Random(0), lists.get) == ("a, b", ["there is no wildcard 'no': left out"])
    assert chosen('{"json": "a|b"} {plain}', Random(0), lists.get)[0] == '{"json": "a|b"} {plain}'
    assert without_loras("a cat, <lora:ink drop:0.8>, old <LORA:x> <lyco:y:-1:0.5>") == (
        "a cat, old", [LoraTag("ink drop", 0.8), LoraTag("x", 1.0), LoraTag("y", -1.0, "0.5")]
    )  # fmt: skip


def test_what_is_not_read_is_said_and_plain_words_are_not() -> None:
    for mark in ("[cat:dog:0.5]", "[cat|dog]", "embedding:x", "<hypernet:x:1>", "ADDCOL", "--chaos 30"):
        assert any(repr(mark) in warning for warning in unread_syntax([f"a cat {mark}"]))
    assert "read as a comma" in unread_syntax(["a BREAK b"])[0]
    plain = (
        'the text "COFFEE BREAK"', "a cat (with a hat)", "at noon (5:30)", "a sign: OPEN", "GIVE ME A BREAK",
        "a_b", "(red:1.3) <lora:x>",
    )  # fmt: skip
    assert unread_syntax(plain) == []
    assert (
        weight_warnings(["(a:1.3)"], act=True) == [] and "takes no weights" in weight_warnings(["(a:2)"], act=False)[0]
    )
    assert "weights act from 0 to 3" in weight_warnings(["(a:9)"], act=True)[0]


WEIGHTED = ("sd-1.5", "sdxl", "sd3", "flux-dev", "chroma", "pixart-sigma", "hunyuan-1.2", "sana")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weighted")


@pytest.mark.parametrize("name", WEIGHTED)
def test_a_weight_moves_its_own_tokens(name: str, zoo: Path) -> None:
    """Only the states of the weighted word leave the line of the others; the mean stays; weight 1 changes nothing."""
    family = Renderer(str(published(name, zoo)), device="cpu").family
    plain, same, weighted = (family.encode_weighted(text) for text in ("red cat", "(red:1.0) cat", "(red:1.5) cat"))
    assert torch.equal(plain.states, same.states)
    assert weighted.reading.text == "red cat"
    if not family.weighted:
        assert torch.equal(plain.states, weighted.states)
        return
    before, after = plain.states.flatten(0, -2), weighted.states.flatten(0, -2)
    lengths = [length for _, length in family.token_sections(len(before))] if name == "sd3" else [len(before)]
    for old, new in zip(before.split(lengths), after.split(lengths), strict=True):
        assert torch.allclose(old.mean(0), new.mean(0), atol=1e-4)
        moved = (new - old) - (new - old)[-1]  # all but the weighted tokens are shifted alike
        assert 0 < int((moved.abs().amax(1) > 1e-5).sum()) < len(old) / 2


def test_tokens_get_the_weight_of_their_letters(zoo: Path) -> None:
    tokenizer = Renderer(str(published("sd-1.5", zoo)), device="cpu").pipe.tokenizer
    weights = token_weights(tokenizer, [Fragment("a ", 1), Fragment("cat", 1.4), Fragment(" here", 1)], 77)
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("a cat here")["input_ids"])
    heavy = "".join(piece for piece, weight in zip(pieces, weights.tolist(), strict=False) if weight > 1)
    assert heavy.replace("</w>", "") == "cat" and len(weights) == 77


@pytest.fixture
def files(tmp_path: Path) -> PromptFiles:
    """A LoRA without effect for the tiny Hunyuan-DiT's first block, and two lists."""
    folders = PromptFiles(tmp_path / "loras", tmp_path / "wildcards")
    (folders.loras / "styles").mkdir(parents=True)
    folders.wildcards.mkdir()
    weights = {f"transformer.blocks.0.attn1.to_q.lora_{part}.weight": torch.zeros(shape)
               for part, shape in (("A", (2, 32)), ("B", (32, 2)))}  # fmt: skip
    save_file(weights, folders.loras / "styles" / "Ink.safetensors")
    (folders.wildcards / "pet.txt").write_text("# animals\ncat\ndog\n")
    (folders.wildcards / "secret.json").write_text("no")
    return folders


def test_a_picture_is_drawn_with_what_its_prompts_name(tiny: Renderer, files: PromptFiles, tmp_path: Path) -> None:
    plan = plan_of(2)
    region = plan.regions[0].model_copy(update={"prompt": LeveledPrompt(high_level="a __pet__, <lora:ink:0.5:0.2>")})
    scene = LeveledPrompt(high_level="a {dark|light} room <lora:gone>")
    plan = plan.model_copy(update={"scene": scene, "regions": [region, *plan.regions[1:]]})
    renderer = Renderer(tiny.model, device="cpu", files=files)
    result = renderer.render(RenderRequest(plan=plan, steps=1, seed=5))
    drawn = result.request
    assert drawn.plan.regions[0].prompt.high_level in ("a cat", "a dog")
    assert drawn.plan.scene.high_level in ("a dark room", "a light room")
    assert [(Path(lora.file.path).stem, lora.scale, lora.region) for lora in drawn.loras] == [("Ink", 0.5, region.name)]
    assert any("there is no LoRA 'gone'" in warning for warning in result.warnings)
    assert any("<lora:ink:0.5:0.2>: the second number" in warning for warning in result.warnings)
    write_picture(tmp_path / "a.png", result)
    again = renderer.render(read_request(tmp_path / "a.png"))  # the same words, whatever the lists say now
    assert torch.equal(again.latents, result.latents) and again.request == drawn
    change = RegionChange(name=region.name, prompt=LeveledPrompt(high_level="{a fox|a hen} <lora:ink>"))
    edited = renderer.edit(result, Revision(changes=[change]))
    assert edited.request.edited_plan.regions[0].prompt.high_level in ("a fox", "a hen")
    assert any("an edit is drawn with the picture's LoRAs" in warning for warning in edited.warnings)


def test_names_stay_in_their_folders(files: PromptFiles) -> None:
    assert files.lora("INK") == files.lora("styles/ink.safetensors") == files.loras / "styles" / "Ink.safetensors"
    assert files.wildcard("pet") == files.wildcard("p*") == ["cat", "dog"]
    for name in ("../wildcards/pet", "/etc/passwd", "secret", "..", ""):
        assert files.lora(name) is None and files.wildcard(name) is None
    plain = RenderRequest(plan=plan_of(1))
    assert filled_in(plain, files) is plain


class Echo:
    """A planner that plans what it is told."""

    def plan(self, brief: str) -> ScenePlan:
        return plan_of(1).model_copy(update={"scene": LeveledPrompt(high_level=brief)})


def test_a_brief_with_tags_and_choices_is_planned_in_plain_words(tiny: Renderer, files: PromptFiles) -> None:
    planner: Any = Echo()
    agent = Agent(renderer=tiny, planner=planner, critic="none", loras=files.loras, wildcards=files.wildcards)
    plan = agent.plan("a (red:1.2) __pet__ <lora:ink:0.7>")
    assert plan.scene.high_level in ("a red cat <lora:ink:0.7>", "a red dog <lora:ink:0.7>")
    assert any("weights in a brief do not act" in note for note in plan.notes)


def test_a_weight_changes_a_picture_and_a_family_without_weights_says_so(zoo: Path) -> None:
    for name in ("sd-1.5", "sana"):
        renderer = Renderer(str(published(name, zoo)), device="cpu")
        results = []
        for text in ("a red cat", "a (red:1.6) cat"):
            plan = family_plan(name, scene=LeveledPrompt(high_level=text))
            results.append(renderer.render(RenderRequest(plan=plan.model_copy(update={"regions": []}), steps=1)))
        acts = renderer.family.weighted
        assert torch.equal(results[0].latents, results[1].latents) != acts
        assert any("takes no weights" in warning for warning in results[1].warnings) != acts
