"""The planner's adapter, written for llama.cpp and read back."""

from pathlib import Path

import pytest
import torch

planner = pytest.importorskip("training.planner", reason="the training extra is not installed")
HEADS = {"q_proj": 4, "k_proj": 2}


def test_an_exported_adapter_is_read_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights = {}
    for layer in range(2):
        for part in planner.GGUF_NAMES:
            block = "self_attn" if part in ("q_proj", "k_proj", "v_proj", "o_proj") else "mlp"
            weights[f"model.layers.{layer}.{block}.{part}.a"] = torch.randn(8, 64)
            weights[f"model.layers.{layer}.{block}.{part}.b"] = torch.randn(32, 8)
    planner.export(weights, HEADS, tmp_path / "lora.gguf")
    got = planner.read(tmp_path / "lora.gguf", HEADS)
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
