"""The planner's adapter, written for llama.cpp and read back."""

from pathlib import Path

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

planner = pytest.importorskip("training.planner", reason="the training extra is not installed")
adapters = pytest.importorskip("training.adapters", reason="the training extra is not installed")
HEADS = {"q_proj": 4, "k_proj": 2}


@pytest.mark.parametrize("name", ["embedded", "qwen2.5-coder-1.5b"])
def test_an_exported_adapter_is_read_back(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    weights, tuned = {}, planner.TUNED[name]
    heads = HEADS if tuned.rotary else {}
    for part, rank in tuned.ranks(10).items():
        weights[f"{part}.a"], weights[f"{part}.b"] = torch.randn(rank, 64), torch.randn(32, rank)
    adapters.export(weights, heads, tmp_path / "lora.gguf", tuned.architecture)
    got = adapters.read(tmp_path / "lora.gguf", heads)
    assert len(got) == len(weights)
    for name, value in weights.items():
        error = (got[name] - value).abs()
        # q8_0 rounds to 127ths of the largest of 32 values, by a float16; float16 keeps 11 bits.
        assert (error <= (value.abs().max() / 225 if name.endswith(".a") else value.abs() / 2000)).all(), name


def test_a_smaller_adapter_keeps_the_directions_that_change_most(tmp_path: Path) -> None:
    torch.manual_seed(0)
    strong, weak = "layers.0.q_proj", "layers.1.q_proj"
    weights = {f"{name}.a": torch.randn(4, 64) for name in (strong, weak)}
    weights |= {f"{strong}.b": torch.randn(64, 4), f"{weak}.b": 0.01 * torch.randn(64, 4)}
    adapters.export(weights, {}, tmp_path / "whole.gguf", "llama")
    assert sum(map(len, adapters.shrink(weights, 100_000).values())) == sum(map(len, weights.values()))
    small = adapters.shrink(weights, 2 * (64 * 34 // 32 + 64 * 2) + 256 + 8)
    assert {name: tuple(value.shape) for name, value in small.items()} == {
        f"{strong}.a": (2, 64), f"{strong}.b": (64, 2)
    }  # fmt: skip
    whole = weights[f"{strong}.b"] @ weights[f"{strong}.a"]
    left = whole - small[f"{strong}.b"] @ small[f"{strong}.a"]
    values = torch.linalg.svdvals(whole)
    torch.testing.assert_close(left.norm(), values[2:].norm(), rtol=1e-3, atol=1e-3)
    adapters.export(small, {}, tmp_path / "small.gguf", "llama")
    assert (tmp_path / "small.gguf").stat().st_size < (tmp_path / "whole.gguf").stat().st_size


def test_the_order_of_rotary_rows_is_undone() -> None:
    rows = torch.arange(32 * 3.0).reshape(32, 3)
    assert not torch.equal(adapters.rotary_order(rows, 4), rows)
    assert torch.equal(adapters.module_order(adapters.rotary_order(rows, 4), 4), rows)


def test_an_adapter_begins_as_the_model_without_it_and_leaves_its_first_blocks_alone() -> None:
    config = Qwen2Config(
        vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=1,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config).eval()
    for bias in (p for name, p in model.named_parameters() if name.endswith("bias")):
        torch.nn.init.normal_(bias)
    tokens = torch.arange(8)[None]
    with torch.no_grad():
        before = model(tokens).logits
        adapters.add_adapter(model, planner.Tuned("qwen2", 4, ("q_proj", "v_proj"), first=1).ranks(3))
        torch.testing.assert_close(model(tokens).logits, before)
    trained = {name.rpartition(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {f"model.layers.{layer}.self_attn.{part}" for layer in (1, 2) for part in ("q_proj", "v_proj")}


def test_chats_in_one_row_share_their_beginning_and_see_no_other() -> None:
    row = planner.tokens_of([([1, 2, 3, 4], [9, 9]), ([1, 2, 5, 6, 7], [8])])
    assert row.ids.tolist() == [1, 2, 3, 4, 9, 9, 5, 6, 7, 8]
    assert row.labels.tolist() == [-100, -100, -100, -100, 9, 9, -100, -100, -100, 8]
    assert row.chat.tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert row.positions.tolist() == [0, 1, 2, 3, 4, 5, 2, 3, 4, 5]
    seen = planner.attention_mask(torch.from_numpy(row.chat)[None], torch.float32)[0, 0] == 0
    assert seen[9].tolist() == [True, True, False, False, False, False, True, True, True, True]
    assert seen[4].tolist() == [True] * 5 + [False] * 5
