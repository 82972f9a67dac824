"""What the trainings share, and the shortened forward pass of the pocket transformer."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BertTokenizer

from ditpipe.renderer.families import hunyuan
from ditpipe.renderer.families.hunyuan_attention import rotary_pairs_of
from ditpipe.renderer.families.hunyuan_text import embed_text, pad_text
from ditpipe.renderer.regions.attention import TextContext, project_text, token_groups

loop = pytest.importorskip("training.loop", reason="the training extra is not installed")


def eight(number: int) -> list[tuple[int, int]]:
    return [(number, turn) for turn in range(8)]


@pytest.mark.parametrize(("first", "workers"), [(0, 0), (5, 0), (16, 0), (5, 2)])
def test_batches_come_in_their_order_from_any_first_step(first: int, workers: int) -> None:
    batches = loop.Batches(eight, workers)
    steps = range(first, first + 20)
    assert [batches.at(step) for step in steps] == [divmod(step, 8) for step in steps]


@pytest.mark.slow
def test_texts_cut_to_the_longest_give_what_whole_texts_give() -> None:
    transformer = pytest.importorskip("training.transformer", reason="the training extra is not installed")
    torch.manual_seed(0)
    model, attention = transformer.build().eval(), transformer.SharedPaddingAttention()
    torch.nn.init.normal_(model.proj_out.weight)
    latents, times = torch.randn(2, 8, 16, 16), torch.tensor([100.0, 800.0])
    bert, t5, mask = torch.randn(2, 77, 384), torch.randn(2, 77, 128), torch.zeros(2, 77, dtype=torch.long)
    mask[0, :9] = mask[1, :5] = 1
    rotary = transformer.rotary_for(8)
    with torch.no_grad():
        whole = model(
            latents, times, encoder_hidden_states=bert, text_embedding_mask=mask, encoder_hidden_states_t5=t5,
            text_embedding_mask_t5=mask, image_meta_size=None, style=None, image_rotary_emb=rotary,
        ).sample  # fmt: skip
        model.set_attn_processor(attention)
        embed_text = transformer.EncodedTexts(bert[:, :9], mask[:, :9], t5)
        cut = transformer.forward(model, attention, latents, times, embed_text, rotary)
    torch.testing.assert_close(cut, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_regions_are_trained_as_the_renderer_gathers_them() -> None:
    transformer = pytest.importorskip("training.transformer", reason="the training extra is not installed")
    torch.manual_seed(0)
    model, turn = transformer.build().eval(), 3
    torch.nn.init.normal_(model.proj_out.weight)
    torch.nn.init.normal_(model.text_embedding_padding)
    latents, time = torch.randn(1, 8, 16, 16), torch.tensor([300.0])
    bert, t5, mask = torch.randn(3, 77, 384), torch.randn(3, 77, 128), torch.zeros(3, 77, dtype=torch.long)
    for prompt, length in enumerate((9, 4, 6)):  # the scene's, and two regions'
        mask[prompt, :length] = 1
    owner = torch.arange(64)[None] % 8 // 3  # columns 0–2 are the scene's, 3–5 the first region's, 6–7 the second's
    rotary, attention = transformer.rotary_for(8), transformer.SharedPaddingAttention()
    with torch.no_grad():
        padded = pad_text(model, embed_text(model, bert, t5), mask, mask)
        region_weights = torch.stack([(owner[0] == prompt).float() for prompt in range(3)])
        alone = torch.tensor([1.0, 0.0, 0.0])[:, None].expand(3, 64)
        contexts = []
        for depth, block in enumerate(model.blocks):
            keys, values = project_text(block.attn2, padded.distinct[None])
            who = token_groups(slice(0, 1), region_weights if depth >= turn else alone, device=latents.device)
            contexts.append(TextContext(keys[0][padded.where], values[0][padded.where], tuple(who)))
        model.set_attn_processor(attention)
        scene = transformer.EncodedTexts(bert[:1, :9], mask[:1, :9], t5[:1])
        regions = transformer.EncodedTexts(bert[1:, :6], mask[1:, :6], t5[1:, :6])
        deep = regions, torch.tensor([[0, 1]]), owner
        trained = transformer.forward(model, attention, latents, time, scene, rotary, deep, turn)
        for layer, processor in hunyuan.processors_of(model):
            layer.set_processor(processor)
        condition = hunyuan.embed_picture_condition(model, t5[:1], 256, 256)
        rendered = hunyuan.predict(
            model, latents, time, picture_condition=condition, contexts=contexts, rotary_pairs=rotary_pairs_of(rotary)
        )
    torch.testing.assert_close(trained[:, :8], rendered, rtol=1e-4, atol=1e-4)


def test_drawn_batches_are_the_same_for_the_same_number() -> None:
    drawing_of = pytest.importorskip("training.drawing", reason="the training extra is not installed")
    artwork = pytest.importorskip("training.artwork")
    rng = np.random.default_rng(0)
    scenes = [drawing_of.random_scene(rng) for _ in range(40)]
    tokenizer = BertTokenizer.from_pretrained(artwork.SHIPPED / "tokenizer")
    drawing = drawing_of.Drawing(scenes, tokenizer, batch=6, side=8, blocks=8, regional=True)
    one, two = drawing(3), drawing(3)
    assert [drawn.regions is None for drawn in one] == [True, False, False, False] * 2
    for a, b in zip(one, two, strict=True):
        assert (a.rows == b.rows).all() and (a.times == b.times).all() and (a.shallow.ids == b.shallow.ids).all()
        if a.regions:
            which, owner = a.regions
            assert which.shape[0] == 6 and owner.shape == (6, 64) and owner.max() <= which.shape[1]
            assert which.max() < len(a.deep.ids)
    assert (drawing(4)[0].rows != one[0].rows).any()


def test_every_arrangement_of_the_training_has_a_box_for_each_thing_and_a_caption_in_known_words() -> None:
    scenes = pytest.importorskip("training.scenes", reason="the training extra is not installed")
    captions = pytest.importorskip("training.captions")
    rng, known, seen = np.random.default_rng(2), captions.all_words(), set()
    for _ in range(400):
        scene, arrangement = scenes.random_scene(rng)
        boxes = scenes.regions_of(scene, arrangement, rng)
        words = re.findall(r"\w+", captions.caption(scene, arrangement, rng).lower())
        assert words and set(words) <= known, words
        assert len(boxes) == len(scene.things)
        assert all(0 <= left < right <= 1 and 0 <= top < bottom <= 1 for left, top, right, bottom in boxes)
        seen.add(arrangement)
    assert seen == set(scenes.ARRANGEMENTS)


def test_a_training_goes_on_where_it_ended_and_plots_its_loss(tmp_path: Path) -> None:
    def trained(steps: int) -> tuple[list[int], torch.Tensor]:
        torch.manual_seed(0)
        model, seen = torch.nn.Linear(3, 1), list[int]()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)

        def loss_of(step: int) -> tuple[torch.Tensor, dict[str, float]]:
            seen.append(step)
            return (model(torch.ones(2, 3)) - 5).square().mean(), {}

        weights = loop.train("tiny", model, [optimiser], loss_of, steps=steps, every=2, warmup=1, folder=tmp_path)
        return seen, weights["weight"].clone()

    assert trained(4)[0] == [0, 1, 2, 3]
    first = (tmp_path / "tiny.png").read_bytes()
    seen, weights = trained(8)
    assert seen == [4, 5, 6, 7] and (tmp_path / "tiny.png").read_bytes() != first
    rows = [json.loads(line) for line in (tmp_path / "tiny.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6, 8] and rows[-1]["loss"] < rows[0]["loss"]
    with Image.open(tmp_path / "tiny.png") as plot:
        assert plot.size == (840, 480) and len(plot.convert("L").getcolors() or []) > 10


def test_the_vae_of_256_pixels_starts_as_that_of_128_on_the_picture_halved() -> None:
    """On a smooth picture, of which the starting weights lose nothing but at its margin."""
    stage = pytest.importorskip("training.autoencoder_256", reason="the training extra is not installed")
    torch.manual_seed(0)
    old, vae = stage.autoencoder.build().eval(), stage.build().eval()
    stage.take_over(vae, old)
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8) * 2 - 1, (256, 256), mode="bicubic")
    with torch.no_grad():
        known, given = (each[:, :8] for each in (stage.known_moments(old, picture), stage.moments(vae, picture)))
        before, halved = old.decode(known).sample, torch.nn.functional.avg_pool2d(vae.decode(known).sample, 2)
    assert (given - known).std() < 0.1 * known.std()
    assert torch.corrcoef(torch.stack([before.flatten(), halved.flatten()]))[0, 1] > 0.9
