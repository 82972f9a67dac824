"""Single files of weights draw what the folders that they were made from draw, and say what they lack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import gguf
import pytest
import torch
from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers
from published import Tensors, published
from published_plans import draw
from safetensors.torch import load_file, save_file
from single_files import joint_blocks_of, single_file, stored

from ditpipe import Renderer
from ditpipe.prompts.errors import ModelError
from ditpipe.renderer.checkpoints.files.hub import Hub
from ditpipe.renderer.checkpoints.load import load
from ditpipe.renderer.request import LocalResult

pytestmark = pytest.mark.families


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


def configuration(folder: Path, target: Path) -> Path:
    """A copy of a checkpoint's folder without any weights."""
    return shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.safetensors"))


def close(result: LocalResult, expected: LocalResult) -> bool:
    """Equal but for rounding: weights that were cut out of stacked ones lie elsewhere in memory."""
    return bool((result.latents - expected.latents).abs().max() < 3e-5 * expected.latents.std())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sd-1.5", "sdxl", "sd3", "sd3-without-t5"])
def test_a_single_file_draws_what_its_folder_draws(name: str, zoo: Path, tmp_path: Path) -> None:
    file = single_file(name, zoo, tmp_path / "model.safetensors")
    bare = configuration(zoo / name, tmp_path / "configuration")
    result, expected = draw(f"{file}@{bare}", name), draw(str(zoo / name), name)
    assert close(result, expected)
    assert result.request.model == f"{file}@{bare}"


def test_the_configuration_is_that_of_the_folder_it_lies_in(zoo: Path, tmp_path: Path) -> None:
    bare = configuration(published("sd-1.5", zoo), tmp_path / "model")
    file = single_file("sd-1.5", zoo, bare / "v1-5-pruned.safetensors")
    assert load(str(file), device="cpu").model.config.sample_size == 64


def test_without_a_folder_it_is_the_published_models_of_the_hub(zoo: Path, tmp_path: Path) -> None:
    file = single_file("sd-1.5", zoo, tmp_path / "majicmix.safetensors")
    away = Hub(endpoint="http://127.0.0.1:9", cache=tmp_path)
    says = (
        "the configuration of majicmix.safetensors is that of stable-diffusion-v1-5/stable-diffusion-v1-5, which "
        "cannot be fetched: give a folder that has it, --model majicmix.safetensors@FOLDER"
    )
    with pytest.raises(ModelError, match=f"^{says}$"):
        Renderer(str(file), hub=away)


def test_components_that_the_file_lacks_are_the_folders(zoo: Path, tmp_path: Path) -> None:
    folder = published("sd-1.5", zoo)
    weights = load_file(single_file("sd-1.5", zoo, tmp_path / "whole.safetensors"))
    file = tmp_path / "unet-only.safetensors"
    save_file({name: value for name, value in weights.items() if name.startswith("model.")}, file)
    assert close(draw(f"{file}@{folder}", "sd-1.5"), draw(str(folder), "sd-1.5"))
    bare = configuration(folder, tmp_path / "bare")
    with pytest.raises(ModelError, match="has no text_encoder, and .*bare.* has no weights"):
        load(f"{file}@{bare}", device="cpu")


def test_sd3_without_its_t5_says_so(zoo: Path, tmp_path: Path) -> None:
    bare = configuration(published("sd3", zoo), tmp_path / "bare")  # it lists a T5
    file = single_file("sd3-without-t5", zoo, tmp_path / "sd3_medium_incl_clips.safetensors")
    result = draw(f"{file}@{bare}", "sd3-without-t5")
    assert close(result, draw(str(zoo / "sd3-without-t5"), "sd3-without-t5"))
    assert "sd3_medium_incl_clips.safetensors holds no T5: prompts are read by CLIP alone" in result.warnings


@pytest.mark.parametrize(
    "weight",
    [
        "cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc1.weight",
        "model.diffusion_model.input_blocks.1.0.in_layers.2.weight",
        "first_stage_model.decoder.conv_in.weight",
    ],
)
def test_weights_that_it_lacks_or_that_do_not_fit_are_named(weight: str, zoo: Path, tmp_path: Path) -> None:
    bare = configuration(published("sd-1.5", zoo), tmp_path / "bare")
    file = single_file("sd-1.5", zoo, tmp_path / "model.safetensors")
    weights = load_file(file)
    part = {"cond": "text_encoder", "mode": "unet", "firs": "vae"}[weight[:4]]
    changed = {**weights, weight: torch.cat([weights[weight]] * 2)}
    save_file(changed, file)
    with pytest.raises(ModelError, match=f"^{file}: .*(expected shape|of the {part} do not fit)") as error:
        load(f"{file}@{bare}", device="cpu")
    assert "\n" not in str(error.value) and "overwrite" not in str(error.value)
    save_file({name: value for name, value in weights.items() if name != weight}, file)
    with pytest.raises(ModelError, match=f"the {part} lacks"):
        load(f"{file}@{bare}", device="cpu")


def test_only_a_safe_format_is_read(zoo: Path, tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"pickle")
    with pytest.raises(ModelError, match="only .safetensors and .gguf files are read"):
        Renderer(str(tmp_path / "model.ckpt"))
    with pytest.raises(ModelError, match="no such file"):
        Renderer(str(tmp_path / "model.safetensors"))
    (tmp_path / "model.safetensors").write_bytes(b"no such thing")
    with pytest.raises(ModelError, match="cannot read .*model.safetensors"):
        Renderer(str(tmp_path / "model.safetensors"))
    with pytest.raises(ModelError, match="neither a folder nor a name on the hub that configures model.safetensors"):
        Renderer(f"{tmp_path / 'model.safetensors'}@nowhere")


def flux_weights(*, layers: int) -> dict[str, torch.Tensor]:
    """The names and shapes of FLUX.1-dev's single file, with fewer blocks."""
    width, head = 3072, 128
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, out: int, into: int) -> None:
        shapes.update({f"{name}.weight": (out, into), f"{name}.bias": (out,)})

    linear("img_in", width, 64)
    linear("txt_in", width, 4096)
    for name, into in (("time_in", 256), ("vector_in", 768), ("guidance_in", 256)):
        linear(f"{name}.in_layer", width, into)
        linear(f"{name}.out_layer", width, width)
    for i in range(layers):
        for stream in ("img", "txt"):
            block = f"double_blocks.{i}.{stream}"
            linear(f"{block}_mod.lin", 6 * width, width)
            linear(f"{block}_attn.qkv", 3 * width, width)
            linear(f"{block}_attn.proj", width, width)
            linear(f"{block}_mlp.0", 4 * width, width)
            linear(f"{block}_mlp.2", width, 4 * width)
            shapes |= {f"{block}_attn.norm.query_norm.scale": (head,), f"{block}_attn.norm.key_norm.scale": (head,)}
        single = f"single_blocks.{i}"
        linear(f"{single}.modulation.lin", 3 * width, width)
        linear(f"{single}.linear1", 7 * width, width)
        linear(f"{single}.linear2", width, 5 * width)
        shapes |= {f"{single}.norm.query_norm.scale": (head,), f"{single}.norm.key_norm.scale": (head,)}
    linear("final_layer.linear", 64, width)
    linear("final_layer.adaLN_modulation.1", 2 * width, width)
    return {f"model.diffusion_model.{name}": torch.empty(shape, device="meta") for name, shape in shapes.items()}


def test_flux_as_its_authors_name_it_fits_diffusers_model() -> None:
    """Not drawn: diffusers reads FLUX in its published width only. Here it is read without numbers."""
    config = {"num_layers": 2, "num_single_layers": 2, "guidance_embeds": True}
    with torch.device("meta"):
        model: Any = diffusers.FluxTransformer2DModel(**config)
        found = convert_flux_transformer_checkpoint_to_diffusers(flux_weights(layers=2))
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    assert {name: value.shape for name, value in found.items()} == wanted


def test_a_flux_file_takes_its_encoders_and_vae_from_the_folder(zoo: Path, tmp_path: Path) -> None:
    """In diffusers' names, as only the published width is known by those of its authors."""
    folder = published("flux-dev", zoo)
    save_file(stored(folder / "transformer"), tmp_path / "flux1-dev.safetensors")
    result = draw(f"{tmp_path / 'flux1-dev.safetensors'}@{folder}", "flux-dev")
    assert close(result, draw(str(folder), "flux-dev"))


def test_a_file_of_flux_is_known_by_its_weights(tmp_path: Path) -> None:
    names = {
        name: value
        for name, value in flux_weights(layers=1).items()
        if value.ndim == 1 or name.endswith("img_in.weight")
    }
    save_file({name: torch.zeros(value.shape) for name, value in names.items()}, tmp_path / "flux.safetensors")
    with pytest.raises(ModelError, match="configuration of flux.safetensors is that of black-forest-labs/FLUX.1-dev"):
        Renderer(str(tmp_path / "flux.safetensors"), hub=Hub(endpoint="http://127.0.0.1:9", cache=tmp_path))


def test_what_a_single_file_says_of_its_scheduler_is_heeded(zoo: Path, tmp_path: Path) -> None:
    """As trainers of v-prediction write it, beside the weights."""
    file = single_file("sdxl", zoo, tmp_path / "model.safetensors")
    weights = load_file(file)
    save_file(weights | {name: torch.zeros(0) for name in ("v_pred", "ztsnr")}, file)
    folder = shutil.copytree(zoo / "sdxl", tmp_path / "folder")
    config = folder / "scheduler" / "scheduler_config.json"
    settings = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    config.write_text(json.dumps(json.loads(config.read_text()) | settings))
    result = draw(f"{file}@{configuration(zoo / 'sdxl', tmp_path / 'configuration')}", "sdxl")
    assert close(result, draw(str(folder), "sdxl")) and not close(result, draw(str(zoo / "sdxl"), "sdxl"))
    save_file(weights | {"edm_mean": torch.zeros(4)}, file)
    with pytest.raises(ModelError, match="'edm_mean' marks an EDM model; no solver here"):
        load(f"{file}@{folder}", device="cpu")


def test_a_file_that_does_not_go_with_its_folder_is_one_line(zoo: Path, tmp_path: Path) -> None:
    file, pointer, lora = (tmp_path / f"{name}.safetensors" for name in ("model", "pointer", "lora"))
    single_file("sd-1.5", zoo, file)
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0f1e\nsize 12345\n")
    save_file({"lora_unet_x.lora_down.weight": torch.ones(2, 2), "lora_unet_x.alpha": torch.ones(())}, lora)
    other, flow, none = (published(name, zoo) for name in ("sdxl", "flux-dev", "pixart-sigma"))
    for name, says in (
        (f"{file}@{other}", "it lacks label_emb.0.0.weight; give the folder that configures this model"),
        (f"{file}@{flow}", "weights of the vae do not fit its config.json: decoder.conv_in.weight"),
        (f"{file}@{none}", "no single files are read with a PixArtSigmaPipeline"),
        (f"{pointer}@{other}", "it is a pointer of git-lfs: `git lfs pull` gets the file"),
        (str(pointer), "it is a pointer of git-lfs"),
        (f"{lora}@{other}", "this is a LoRA, not a model: give it beside a model, as --lora lora.safetensors"),
        (str(lora), "this is a LoRA, not a model"),
    ):
        with pytest.raises(ModelError, match=says) as error:
            load(name, device="cpu")
        assert "\n" not in str(error.value)


def gguf_file(weights: Tensors, target: Path) -> Tensors:
    """Writes weights as a GGUF file, matrices of whole blocks in 8 bits; returns what it says, dequantized."""
    writer, kind = gguf.GGUFWriter(target, "sd3"), gguf.GGMLQuantizationType.Q8_0
    dequantized = {}
    for name, value in weights.items():
        array = value.float().contiguous().numpy()
        if value.ndim == 2 and value.shape[1] % 32 == 0:
            packed = gguf.quantize(array, kind)
            writer.add_tensor(name, packed, raw_dtype=kind)
            array = gguf.dequantize(packed, kind).astype("float16")  # as diffusers does
        else:
            writer.add_tensor(name, array)
        dequantized[name] = torch.from_numpy(array.copy()).float()
    for write in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
        writer.close,
    ):
        write()
    return dequantized


def test_a_gguf_file_draws_what_its_numbers_say(zoo: Path, tmp_path: Path) -> None:
    folder = published("sd3", zoo)
    file, plain = tmp_path / "sd3-Q8_0.gguf", tmp_path / "plain.safetensors"
    numbers = gguf_file(joint_blocks_of(folder / "transformer"), file)
    save_file({f"model.diffusion_model.{name}": value for name, value in numbers.items()}, plain)
    rest = shutil.copytree(folder, tmp_path / "rest")
    for weights in (rest / "transformer").glob("*.safetensors"):
        weights.unlink()  # not needed beside the file
    result, whole = draw(f"{file}@{rest}", "sd3"), draw(str(folder), "sd3")
    expected = draw(f"{plain}@{folder}", "sd3")
    deviation = (result.latents - expected.latents).abs().max()
    assert deviation < 1e-3 * expected.latents.std() and deviation < (result.latents - whole.latents).abs().max() / 10
    assert load(f"{file}@{rest}", device="cpu", weights="int8").notes == (
        "save_memory 'int8' acts on the encoders alone: sd3-Q8_0.gguf is quantized already",
    )


def test_a_gguf_file_that_cannot_be_read_is_one_line(zoo: Path, tmp_path: Path) -> None:
    weights = joint_blocks_of(published("sd3", zoo) / "transformer")
    broken, partial, alone = (tmp_path / f"{name}.gguf" for name in ("broken", "partial", "alone"))
    gguf_file({name: value for name, value in weights.items() if "joint_blocks.0.x_block.mlp" not in name}, partial)
    gguf_file(weights, alone)
    broken.write_bytes(alone.read_bytes()[:2000])
    for name, says in (
        (f"{broken}@{zoo / 'sd3'}", "cannot read .*broken.gguf"),
        (f"{partial}@{zoo / 'sd3'}", "partial.gguf.* lacks "),
        (str(alone), "holds a transformer alone: give the folder or hub name that has the rest, alone.gguf@FOLDER"),
        (f"{alone}@{published('sd-1.5', zoo)}", "is a model without one"),
        (f"{alone}@{published('pixart-sigma', zoo)}", "diffusers reads no GGUF of a Transformer2DModel"),
    ):
        with pytest.raises(ModelError, match=says) as error:
            load(name, device="cpu")
        assert "\n" not in str(error.value)
