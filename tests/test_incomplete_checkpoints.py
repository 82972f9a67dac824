"""Checkpoints that lack a part or cannot be drawn with: said in one line, and before weights load."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from published import SDXL_TURBO, published, sdxl, write_json
from published_plans import draw

from ditpipe import Renderer
from ditpipe.prompts.errors import ModelError
from ditpipe.renderer.checkpoints.files.source import locate
from ditpipe.renderer.checkpoints.load import load
from ditpipe.renderer.checkpoints.registry import FAMILIES, FamilyRow, checkpoint
from ditpipe.renderer.sampling.schedules import Multistep

Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


def changed(name: str, zoo: Path, target: Path, change: Change) -> Path:
    """A copy of a checkpoint with a change made to it."""
    shutil.copytree(published(name, zoo), target)
    change(target)
    return target


def entries(file: str, **values: Any) -> Change:
    """Other values in one of a folder's JSON files; None takes an entry away."""

    def change(folder: Path) -> None:
        content = json.loads((folder / file).read_text()) | values
        write_json(folder / file, {key: value for key, value in content.items() if value is not None})

    return change


def without(pattern: str) -> Change:
    def change(folder: Path) -> None:
        for path in list(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def emptied(pattern: str, content: str = "") -> Change:
    def change(folder: Path) -> None:
        for path in folder.glob(pattern):
            path.write_text(content)

    return change


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0f1e\nsize 12345\n"
NF4 = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
INT8 = {"quant_method": "bitsandbytes", "load_in_8bit": True}
LACKING: list[tuple[str, Change, str]] = [
    # The libraries make an empty tokenizer where there is none, and every word is unknown to it.
    ("hunyuan-1.2", without("tokenizer/vocab.txt"), "tokenizer: it lacks a tokenizer's vocabulary"),
    ("hunyuan-1.2", without("tokenizer_2"), "tokenizer_2: it lacks a tokenizer's vocabulary"),
    ("pixart-sigma", without("tokenizer/spiece.model"), "tokenizer: it lacks a tokenizer's vocabulary"),
    ("sana", without("tokenizer/tokenizer.*"), "tokenizer: it lacks a tokenizer's vocabulary"),
    ("sd-1.5", without("tokenizer/merges.txt"), "tokenizer: it lacks a tokenizer's vocabulary"),
    ("sdxl", without("tokenizer_2/tokenizer_config.json"), "tokenizer_2: it lacks tokenizer_config.json"),
    ("sd3", without("tokenizer_3"), "tokenizer_3: it lacks a tokenizer's vocabulary"),
    ("sd3", entries("model_index.json", tokenizer_3=[None, None]), "lists no tokenizer_3"),
    ("sdxl", entries("model_index.json", vae=[None, None]), "lists no vae"),
    ("sdxl", entries("model_index.json", text_encoder_2=None), "lists no text_encoder_2"),
    ("sd-1.5", entries("model_index.json", scheduler=None, unet=None), "lists no scheduler and no unet"),
    ("hunyuan-1.2", without("text_encoder_2/*-00002-of-*"), "text_encoder_2 has only 1 of the 2 files of its weights"),
    ("hunyuan-1.2", without("text_encoder_2/*.index.json"), "has no model.safetensors.index.json, which lists"),
    ("flux-dev", without("transformer/*.index.json"), "has no diffusion_pytorch_model.safetensors.index.json"),
    ("sd3", without("text_encoder_3/*.safetensors"), "text_encoder_3 has no weights"),
    ("pixart-sigma", emptied("tokenizer/spiece.model"), "a tokenizer.s vocabulary .*get the checkpoint again$"),
    ("sd-1.5", emptied("tokenizer/merges.txt"), "tokenizer: it lacks a tokenizer's vocabulary"),
    ("hunyuan-1.2", emptied("tokenizer/vocab.txt", POINTER), "a tokenizer.s vocabulary .*`git lfs pull` gets them"),
    ("hunyuan-1.2", emptied("text_encoder_2/*-00002-of-*", POINTER), "only 1 of the 2 .*`git lfs pull` gets them"),
    ("hunyuan-1.2", emptied("vae/*.safetensors", POINTER), "vae has no weights: .*`git lfs pull` gets them"),
    ("flux-dev", entries("transformer/config.json", quantization_config=NF4), "in 4 bits, read by .*pip install bits"),
    ("sd3", entries("text_encoder_3/config.json", quantization_config=INT8), "in 8 bits, read by .*pip install bits"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "says"), LACKING, ids=[f"{name}: {says}" for name, _, says in LACKING])
def test_what_a_folder_lacks_is_named_before_its_weights_load(
    name: str, change: Change, says: str, zoo: Path, tmp_path: Path
) -> None:
    folder = changed(name, zoo, tmp_path / "copy", change)
    with pytest.raises(ModelError, match=says) as error:
        load(str(folder), device="cpu")
    assert "\n" not in str(error.value)


def test_of_variants_that_git_left_as_pointers_the_other_is_read(zoo: Path, tmp_path: Path) -> None:
    def change(folder: Path) -> None:
        for path in folder.glob("*/*.safetensors"):
            if "fp16" not in path.name:
                path.write_text(POINTER)

    folder = changed("sd-2.1-768", zoo, tmp_path / "copy", change)
    family, full = (load(str(path), device="cpu") for path in (folder, zoo / "sd-2.1-768"))
    assert family.model.conv_in.weight.equal(full.model.conv_in.weight.half().float())


def test_a_component_that_nothing_uses_is_not_loaded_and_the_picture_says_so(zoo: Path, tmp_path: Path) -> None:
    own = entries("model_index.json", watermark=["own", "Watermarker"], second=["diffusers", "AutoencoderKL"])
    folder = changed("sd-1.5-fp16", zoo, tmp_path / "copy", own)
    result = draw(str(folder), "sd-1.5-fp16")
    assert result.latents.equal(draw(str(zoo / "sd-1.5-fp16"), "sd-1.5-fp16").latents)
    assert {f"this checkpoint's {name!r} is not used" for name in ("watermark", "second")} <= set(result.warnings)


def test_sd3_whose_t5_was_left_out_of_the_folder_is_read_by_clip(zoo: Path, tmp_path: Path) -> None:
    """As after `hf download --exclude 'text_encoder_3/*'`."""
    folder = changed("sd3", zoo, tmp_path / "copy", without("text_encoder_3"))
    result = draw(str(folder), "sd3")
    assert "copy holds no T5: prompts are read by CLIP alone" in result.warnings
    assert result.latents.equal(draw(str(published("sd3-without-t5", zoo)), "sd3").latents)


UNDRAWABLE: list[tuple[Change, str]] = [
    (entries("model_index.json", scheduler=["diffusers", "LCMScheduler"]), "scheduler is LCMScheduler"),
    (entries("scheduler/scheduler_config.json", use_flow_sigmas=True), "for a flow, and this model is a diffusion"),
    (entries("vae/config.json", latents_mean=[0.1] * 4, latents_std=[1.0] * 4), "normalises latents by .latents_mean."),
]


@pytest.mark.parametrize(("change", "says"), UNDRAWABLE, ids=[says for _, says in UNDRAWABLE])
def test_what_cannot_be_drawn_with_is_refused_by_its_configuration(
    change: Change, says: str, zoo: Path, tmp_path: Path
) -> None:
    folder = changed("sdxl", zoo, tmp_path / "copy", change)
    without("*/*.safetensors")(folder)  # no weights are looked for
    with pytest.raises(ModelError, match=says):
        Renderer(str(folder), device="cpu")


@pytest.mark.parametrize("row", FAMILIES.values(), ids=lambda row: row.name)
def test_the_table_says_what_the_adapters_can(row: FamilyRow) -> None:
    module, adapter = row.adapter.split(":")
    kind = getattr(import_module(f"ditpipe.renderer.families.{module}"), adapter)
    for name in ("flow", "normalised", "partial", "controlled", "weighted"):
        assert getattr(row, name) == getattr(kind, name), name


def test_a_variance_in_the_schedulers_configuration_is_none_of_the_solvers() -> None:
    """The family has cut it off, so that nothing is left for the solver to cut off."""
    config = {"_class_name": "DPMSolverMultistepScheduler", "variance_type": "learned_range"}
    schedule = Multistep(config, 2, 1.0, torch.device("cpu"))
    latents = torch.randn(1, 4, 8, 8)
    assert schedule.step(torch.randn(1, 4, 8, 8), latents, 0)[0].shape == latents.shape


def test_a_distilled_model_is_told_by_its_name_in_the_hubs_cache(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--stabilityai--sdxl-turbo" / "snapshots" / ("1" * 40)
    sdxl(snapshot, scheduler=SDXL_TURBO)
    (tmp_path / "link").symlink_to(snapshot, target_is_directory=True)
    for folder in (snapshot, tmp_path / "link"):
        row = checkpoint(str(folder))
        assert (row.steps, row.guidance_scale) == (4, 1.0)


def test_a_single_file_in_the_hubs_cache_keeps_its_name(zoo: Path, tmp_path: Path) -> None:
    """There it is a link to a file that is called by its hash."""
    blob, link = tmp_path / "blobs" / "0f1e", tmp_path / "snapshots" / "realvis-lightning.safetensors"
    for path in (blob, link):
        path.parent.mkdir()
    blob.write_bytes(b"")
    link.symlink_to(Path(os.path.relpath(blob, link.parent)))
    source = locate(f"{link}@{published('sdxl', zoo)}")
    assert source and source.file == link and locate(source.name) == source
    assert checkpoint(source.name).steps == 4


def test_a_path_may_hold_spaces_and_other_letters_and_at_signs(zoo: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(published("sd-1.5-fp16", zoo), tmp_path / "我的 模型@home" / "sd @ 1.5")
    result = draw(str(folder), "sd-1.5-fp16")
    assert result.request.model == str(folder)
    assert result.latents.equal(draw(str(zoo / "sd-1.5-fp16"), "sd-1.5-fp16").latents)
    file = folder / "a @ b.safetensors"
    file.write_bytes(b"")
    for name in (str(file), f"{file}@{folder}"):
        source = locate(name)
        assert source and (source.file, source.folder) == (file, folder)


def test_a_single_files_configuration_may_be_of_a_revision(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"")
    source = locate(f"{file}@owner/name@refs/pr/1")
    assert source and source.file == file and str(source.hub) == "owner/name@refs/pr/1"
    assert source.called == "x.safetensors" and locate(source.name) == source
