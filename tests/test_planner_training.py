"""The planner's adapter, written for llama.cpp and read back."""

from pathlib import Path

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

planner = pytest.importorskip("training.planner", reason="the training extra is not installed")
HEADS = {"q_proj": 4, "k_proj": 2}


@pytest.mark.parametrize("name", ["embedded", "qwen2.5-coder-1.5b"])
def test_an_exported_adapter_is_read_back(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    weights, tuned = {}, planner.TUNED[name]
    heads = HEADS if tuned.rotary else {}
    for layer in range(2):
        for part in tuned.parts:
            block = "self_attn" if part in ("q_proj", "k_proj", "v_proj", "o_proj") else "mlp"
            weights[f"model.layers.{layer}.{block}.{part}.a"] = torch.randn(8, 64)
            weights[f"model.layers.{layer}.{block}.{part}.b"] = torch.randn(32, 8)
    planner.export(weights, heads, tmp_path / "lora.gguf", tuned)
    got = planner.read(tmp_path / "lora.gguf", heads)
    assert len(got) == len(weights)
    for name, value in weights.items():
        _, layers, number, _, part, side = name.split(".")
        error = (got[f"{layers}.{number}.{part}.{side}"] - value).abs()
        # q8_0 rounds to 127ths of the largest of 32 values, float16 keeps 11 bits.
        assert (error <= (value.abs().max() / 250 if side == "a" else value.abs() / 2000)).all(), name


def test_the_order_of_rotary_rows_is_undone() -> None:
    rows = torch.arange(32 * 3.0).reshape(32, 3)
    assert not torch.equal(planner.rotary_order(rows, 4), rows)
    assert torch.equal(planner.module_order(planner.rotary_order(rows, 4), 4), rows)


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
        planner.add_adapter(model, planner.Tuned("qwen2", 4, ("q_proj", "v_proj"), first=1))
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
