"""Region attention against its oracle: every prompt for every token, outputs masked and summed (paper, II-C)."""

from typing import Any

import pytest
import torch
from attention_layers import attention, regions
from diffusers.models.attention_processor import Attention, HunyuanAttnProcessor2_0

from ditpipe import Box, grid
from ditpipe.renderer.families.hunyuan_attention import CrossAttention, Positions, SelfAttention, rotary_pairs_of
from ditpipe.renderer.regions.attention import (
    RegionAttention,
    TextContext,
    masked_output_sum,
    normed_heads,
    project_out,
    project_text,
    token_groups,
)
from ditpipe.renderer.regions.region_masks import region_ids, scale_region_weights


def masked_sum(layer: Any, image: torch.Tensor, texts: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """A whole layer the authors' way."""
    weights = (ids == torch.arange(len(texts))[:, None]).float()
    query = normed_heads(layer, layer.to_q(image), layer.norm_q)
    return project_out(layer, masked_output_sum(query, *project_text(layer, texts), weights))


LAYOUTS = {
    "2 columns": regions(grid(2, 1)),
    "2×2": regions(grid(2, 2)),
    "3×3": regions(grid(3, 3)),
    "overlap": regions([Box(left=0, top=0, right=0.8, bottom=0.8), Box(left=0.4, top=0.4, right=1, bottom=1)], [1, 0]),
    "uncovered area": regions(
        [Box(left=0.1, top=0.1, right=0.3, bottom=0.6), Box(left=0.6, top=0.2, right=0.9, bottom=0.7)]
    ),
}


CPU = torch.device("cpu")


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gather_equals_masked_sum(layout: str, together: bool) -> None:
    layer, owner = attention(), region_ids(LAYOUTS[layout], rows=12, columns=12)
    image, texts = torch.randn(1, 144, 32), torch.randn(len(LAYOUTS[layout]) + 1, 20, 24)
    region_weights = (owner == torch.arange(len(texts))[:, None]).double()
    who = tuple(token_groups(slice(0, 1), region_weights, device=CPU, together=together))
    out = RegionAttention()(layer, image, TextContext(*project_text(layer, texts), who))
    torch.testing.assert_close(out, masked_sum(layer, image, texts, owner), rtol=1e-5, atol=1e-6)


def test_half_the_strength_in_all_blocks_is_couple() -> None:
    """Oracle, as attention_couple.md of asagi4/comfyui-prompt-control has it: the base prompt has mask 1 everywhere,
    the others in their regions; masks are normalised to a sum of one, and outputs for the prompts summed by them."""
    layer, left = attention(), torch.arange(144) % 12 < 6
    image, texts = torch.randn(1, 144, 32), torch.randn(3, 20, 24)  # base, left, right
    halves = scale_region_weights(torch.stack([torch.zeros(144), left, ~left]).double(), [0.5, 0.5])
    who = tuple(token_groups(slice(0, 1), halves, device=CPU))
    out = RegionAttention()(layer, image, TextContext(*project_text(layer, texts), who))
    masks = torch.stack([torch.ones(144), left, ~left])
    query = normed_heads(layer, layer.to_q(image), layer.norm_q)
    couple = masked_output_sum(query, *project_text(layer, texts), masks / masks.sum(0))
    torch.testing.assert_close(out, project_out(layer, couple), rtol=1e-5, atol=1e-6)


def test_rows_that_hear_the_same_prompts_are_heard_together() -> None:
    layer, owner = attention(), region_ids(LAYOUTS["3×3"], rows=12, columns=12)
    image, texts = torch.randn(3, 144, 32), torch.randn(10, 20, 24)
    who = tuple(token_groups(slice(0, 3), (owner == torch.arange(10)[:, None]).double(), device=CPU))
    out = RegionAttention()(layer, image, TextContext(*project_text(layer, texts), who))
    for one, row in zip(image, out, strict=True):
        torch.testing.assert_close(row[None], masked_sum(layer, one[None], texts, owner), rtol=1e-5, atol=1e-6)


def spans(layout: str, side: int) -> list[tuple[int, int]]:
    owner = region_ids(LAYOUTS[layout], rows=side, columns=side)
    region_weights = (owner == torch.arange(len(LAYOUTS[layout]) + 1)[:, None]).double()
    return [(each.prompts.start, each.prompts.stop) for each in token_groups(slice(0, 1), region_weights, device=CPU)]


def test_neighbouring_prompts_with_nearly_equally_many_tokens_attend_at_once() -> None:
    assert spans("3×3", 12) == [(1, 10)]  # 16 tokens each
    assert spans("3×3", 8) == [(1, 10)]  # 4, 6 or 9 tokens each: 17 are repeated
    assert spans("3×3", 32) == [(1, 5), (5, 8), (8, 10)]  # 100, 110 or 121 tokens each: at most 32 are
    assert spans("uncovered area", 12) == [(0, 1), (1, 3)]  # most of it is the scene's


def test_repeated_tokens_of_soft_regions_are_heard_once() -> None:
    share = torch.tensor([[0.5, 0.0, 1.0, 0.2, 0.0], [0.5, 1.0, 0.0, 0.8, 1.0]])
    (one,) = token_groups(slice(0, 1), share, device=CPU)
    assert one.tokens is not None and one.tokens.tolist() == [0, 2, 3, 3, 0, 1, 3, 4]
    assert one.region_weights is not None
    torch.testing.assert_close(one.region_weights, torch.tensor([0.5, 1, 0.2, 0, 0.5, 1, 0.8, 1]))


def test_one_prompt_for_all_tokens_or_prompts_in_order_need_no_gather() -> None:
    halves = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1]])  # the upper half attends to one prompt, the lower to the other
    for region_weights in (torch.ones(1, 4), halves):
        (one,) = token_groups(slice(0, 2), region_weights, device=CPU)
        assert one.tokens is None and one.region_weights is None and len(region_weights) == one.prompts.stop
    soft = token_groups(slice(0, 2), torch.full([2, 4], 0.5), device=CPU)
    assert [each.tokens.tolist() for each in soft if each.tokens is not None] == [[0, 1, 2, 3, 0, 1, 2, 3]]


def test_one_prompt_equals_diffusers_processor() -> None:
    layer, image, text = attention(), torch.randn(2, 36, 32), torch.randn(1, 20, 24)
    angles = torch.randn(36, 8).repeat_interleave(2, 1)
    rotary = angles.cos(), angles.sin()
    everyone = tuple(token_groups(slice(0, 2), torch.ones(1, 36), device=CPU))
    places = Positions(rotary_pairs_of(rotary))
    ours = CrossAttention()(layer, image, TextContext(*project_text(layer, text), everyone), image_rotary_emb=places)
    plain: Any = HunyuanAttnProcessor2_0()
    theirs = plain(layer, image, encoder_hidden_states=text.expand(2, -1, -1), image_rotary_emb=rotary)
    torch.testing.assert_close(ours, theirs)


def test_self_attention_equals_diffusers_processor() -> None:
    torch.manual_seed(0)
    layer = Attention(query_dim=32, heads=2, dim_head=16, qk_norm="layer_norm", eps=1e-6, bias=True)
    image, angles = torch.randn(2, 36, 32), torch.randn(36, 8).repeat_interleave(2, 1)
    rotary = angles.cos(), angles.sin()
    ours = SelfAttention()(layer, image, image_rotary_emb=Positions(rotary_pairs_of(rotary)))
    plain: Any = HunyuanAttnProcessor2_0()
    torch.testing.assert_close(ours, plain(layer, image, image_rotary_emb=rotary))


def test_a_masked_query_is_not_what_the_authors_code_computes() -> None:
    """The paper's formula masks the query; a zero query attends to all tokens alike: the mean of the values."""
    keys, values = torch.randn(1, 20, 2, 16), torch.randn(1, 20, 2, 16)
    out = masked_output_sum(torch.zeros(1, 4, 2, 16), keys, values, torch.ones(1, 4))
    torch.testing.assert_close(out[0], values.mean(1).expand(4, 2, 16))
    assert masked_output_sum(torch.zeros(1, 4, 2, 16), keys, values, torch.zeros(1, 4)).eq(0).all()


def test_uncovered_tokens_belong_to_the_scene() -> None:
    owner = region_ids(regions([Box(left=0, top=0, right=0.5, bottom=1)]), rows=4, columns=4)
    assert owner.view(4, 4).tolist() == [[1, 1, 0, 0]] * 4


def test_higher_z_order_is_seen() -> None:
    whole, middle = Box(left=0, top=0, right=1, bottom=1), Box(left=0.25, top=0.25, right=0.75, bottom=0.75)
    below = region_ids(regions([whole, middle], [0, 1]), rows=4, columns=4)
    hidden = region_ids(regions([whole, middle], [1, 0]), rows=4, columns=4)
    assert (below == 2).sum() == 4 and (hidden == 2).sum() == 0


def test_region_smaller_than_a_token_is_refused_with_the_smallest_size() -> None:
    tiny = regions([Box(left=0.01, top=0.01, right=0.05, bottom=0.05)])
    with pytest.raises(ValueError, match="'0' covers no latent token.*0.167 of the width"):
        region_ids(tiny, rows=6, columns=6)
    for width in ("0.084", "0.083"):  # of 12 columns, 0.08333… is needed
        box = Box(left=0.0417, top=0, right=0.0417 + float(width) - 1e-9, bottom=1)
        if width == "0.084":
            assert (region_ids(regions([box]), rows=12, columns=12) == 1).any()
        else:
            with pytest.raises(ValueError, match="at least 0.084 of the width"):
                region_ids(regions([box]), rows=12, columns=12)
