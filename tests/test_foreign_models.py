"""Weights, latents and model folders that people pass on: none is unpickled, none runs code."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from bait import Bait
from plans import plan_of

from ditpipe import Renderer
from ditpipe.prompts.errors import ModelError, RenderError, RunError
from ditpipe.prompts.revision import RegionChange, Revision
from ditpipe.renderer.checkpoints.components import load_pipeline
from ditpipe.renderer.pictures.artifacts import (
    open_image,
    read_result,
    write_result,
)
from ditpipe.renderer.pipeline import RenderRequest
from ditpipe.renderer.scorer import Scorer
from ditpipe.renderer.weights.lora import load_lora


def test_latents_loras_and_critics_unpickle_nothing(tiny: Renderer, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    result = tiny.render(RenderRequest(plan=plan_of(2), steps=1))
    write_result(tmp_path / "picture.png", result)
    for name in ("picture.latents", "lora.safetensors"):
        torch.save({"latents": Bait(trace)}, tmp_path / name)
    with pytest.raises(RunError, match="cannot be read"):
        read_result(tmp_path / "picture.png")
    with pytest.raises(RenderError, match="a pickle, which may run code"):
        load_lora(tiny.family.model, tmp_path / "lora.safetensors", scale=1, region=None, device=tiny.family.device)
    shutil.copytree(Path(Scorer.load.__globals__["POCKET"]) / "critic", tmp_path / "critic")
    (tmp_path / "critic" / "model.safetensors").unlink()
    torch.save({"a": Bait(trace)}, tmp_path / "critic" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot load the embedded critic"):
        Scorer.load(tmp_path / "critic")
    assert not trace.exists()


@pytest.mark.parametrize(
    "latents", [torch.zeros(3), torch.full((1, 4, 12, 12), torch.nan), torch.zeros(1, 4, 2, 2, dtype=torch.int64)]
)
def test_latents_that_are_none_are_one_line(tiny: Renderer, tmp_path: Path, latents: torch.Tensor) -> None:
    result = tiny.render(RenderRequest(plan=plan_of(2), steps=1))
    write_result(tmp_path / "picture.png", replace(result, latents=latents))
    with pytest.raises(RunError, match="cannot be read; without this file the picture is drawn again"):
        read_result(tmp_path / "picture.png")


def test_latents_of_another_size_are_one_line(tiny: Renderer) -> None:
    result = replace(tiny.render(RenderRequest(plan=plan_of(2), steps=1)), latents=torch.zeros(1, 4, 2, 2))
    with pytest.raises(RenderError, match="have another size"):
        tiny.edit(result, Revision(changes=[RegionChange(name="thing 1", seed=5)]))


def test_a_picture_that_is_a_program_is_not_opened(tmp_path: Path) -> None:
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(trace) (w) file closefile\n%%EOF\n"
    (tmp_path / "picture.png").write_bytes(program)
    with pytest.raises(RunError, match="not a picture that can be read"):
        open_image(tmp_path / "picture.png")


def weights_in_pickle(folder: Path, trace: Path) -> None:
    (folder / "text_encoder" / "model.safetensors").unlink()
    torch.save({"a": Bait(trace)}, folder / "text_encoder" / "pytorch_model.bin")


def a_class_of_its_own(folder: Path, trace: Path) -> None:
    (folder / "transformer" / "theirs.py").write_text(f"import os\nos.mkdir({str(trace)!r})\nclass Theirs: ...\n")
    _component(folder, "transformer", ["theirs", "Theirs"])


def a_library_of_its_own(folder: Path, trace: Path) -> None:
    for file in ("transformer/diffusers.py", "scheduler/diffusers.py", "tokenizer/transformers.py"):
        (folder / file).write_text(f"import os\nos.mkdir({str(trace)!r})\n")


def a_library_of_others(folder: Path, trace: Path) -> None:
    _component(folder, "transformer", ["subprocess", "Popen"])


def a_pipeline_of_its_own(folder: Path, trace: Path) -> None:
    (folder / "theirs.py").write_text(f"import os\nos.mkdir({str(trace)!r})\nclass HunyuanDiTPipeline: ...\n")
    _component(folder, "_class_name", ["theirs", "HunyuanDiTPipeline"])


def an_automatic_class(folder: Path, trace: Path) -> None:
    (folder / "text_encoder" / "theirs.py").write_text(f"import os\nos.mkdir({str(trace)!r})\n")
    config = json.loads((folder / "text_encoder" / "config.json").read_text())
    (folder / "text_encoder" / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "theirs.A"}}))
    _component(folder, "text_encoder", ["transformers", "AutoModel"])


def an_automatic_class_on_the_hub(folder: Path, trace: Path) -> None:
    config = json.loads((folder / "text_encoder" / "config.json").read_text())
    theirs = {"auto_map": {"AutoModel": "someone/theirs--theirs.A"}, "model_type": "theirs"}
    (folder / "text_encoder" / "config.json").write_text(json.dumps(config | theirs))
    _component(folder, "text_encoder", ["transformers", "AutoModel"])


def _component(folder: Path, name: str, value: list[str]) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {name: value}))


@pytest.mark.parametrize(
    "prepare",
    [
        weights_in_pickle, a_class_of_its_own, a_library_of_its_own, a_library_of_others, a_pipeline_of_its_own,
        an_automatic_class, an_automatic_class_on_the_hub,
    ],
)  # fmt: skip
def test_a_model_folder_runs_nothing(tiny_folder: Path, tmp_path: Path, prepare: Callable[[Path, Path], None]) -> None:
    folder, trace = tmp_path / "model", tmp_path / "trace"
    shutil.copytree(tiny_folder, folder)
    prepare(folder, trace)
    try:
        Renderer(str(folder)).pipe  # noqa: B018
    except ModelError as error:
        assert "\n" not in str(error)
    else:  # code that nobody looked at
        assert prepare is a_library_of_its_own
    assert not trace.exists()


def test_a_single_file_unpickles_nothing(tmp_path: Path, tiny_folder: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"a": Bait(trace)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="no single files are read"):
        load_pipeline(tiny_folder, torch.float32, file=tmp_path / "model.safetensors")
    assert not trace.exists()


def test_a_controlnet_folder_unpickles_nothing(controlnet: Path, tmp_path: Path) -> None:
    from ditpipe.renderer.families.hunyuan_controlnet import load_control

    folder, trace = tmp_path / "control", tmp_path / "trace"
    shutil.copytree(controlnet, folder)
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"a": Bait(trace)}, folder / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot load ControlNet"):
        load_control(str(folder), dtype=torch.float32)
    assert not trace.exists()
