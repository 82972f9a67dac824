"""What the trainings share, and the shortened forward pass of the pocket transformer."""

import numpy as np
import pytest
import torch
from transformers import BertTokenizer

loop = pytest.importorskip("training.loop", reason="the training extra is not installed")


def eight(number: int) -> list[tuple[int, int]]:
    return [(number, turn) for turn in range(8)]


@pytest.mark.parametrize(("first", "workers"), [(0, 0), (5, 0), (16, 0), (5, 2)])
def test_batches_come_in_their_order_from_any_first_step(first: int, workers: int) -> None:
    batches = loop.Batches(eight, workers)
    steps = range(first, first + 20)
    assert [batches.at(step) for step in steps] == [divmod(step, 8) for step in steps]


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
        heard = transformer.Heard(bert[:, :9], mask[:, :9], t5)
        cut = transformer.forward(model, attention, latents, times, heard, rotary)
    torch.testing.assert_close(cut, whole, rtol=1e-4, atol=1e-4)


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
