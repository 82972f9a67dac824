"""Checkpoints in their published structure load as they are, equal diffusers' own pipeline, and lack nothing unsaid."""

from __future__ import annotations

import contextlib
import json
import shutil
import tomllib
import warnings
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from packaging.requirements import Requirement
from published import PUBLISHED, published
from published_plans import PROMPT, draw, plan_of
from safetensors.torch import load_file, save_file

from ditpipe import LeveledPrompt, Renderer, RenderRequest
from ditpipe.prompts.errors import ModelError
from ditpipe.prompts.formats.registry import dump_layout
from ditpipe.renderer.checkpoints.files.pipeline_folder import stored_variants
from ditpipe.renderer.checkpoints.load import load
from ditpipe.renderer.checkpoints.processors import PROCESSORS
from ditpipe.renderer.families.hunyuan_controlnet import load_control

pytestmark = pytest.mark.slow  # checkpoints of each published structure


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


def by_diffusers(name: str, folder: Path, noise: torch.Tensor) -> torch.Tensor:
    """diffusers' own pipeline, loaded by itself, with the scheduler that ours draws with."""
    variant = next((v for v in ("fp16", "bf16") if list(folder.glob(f"*/*{v}*")) and name not in BOTH), None)
    absent = {"safety_checker": None, "feature_extractor": None} if name.startswith("sd-") else {}
    absent |= {"text_encoder_3": None, "tokenizer_3": None} if name in WITHOUT_T5 else {}
    absent |= dict.fromkeys(processor := {"flux.2-dev": ("tokenizer",), "fibo-2": ("processor",)}.get(name, ()))
    pipe = diffusers.DiffusionPipeline.from_pretrained(
        folder, variant=variant, use_safetensors=True, dtype=torch.float32, **absent
    )
    for part in processor:  # by our own loader, for theirs needs torchvision
        kind = json.loads((folder / "model_index.json").read_text())[part][1]
        pipe.register_modules(**{part: PROCESSORS[kind](folder / part)})
    pipe.set_progress_bar_config(disable=True)
    plan = plan_of(name)
    extra: dict[str, Any] = {}
    if name.startswith("sd-"):
        dpm = diffusers.DPMSolverMultistepScheduler
        pipe.scheduler = dpm.from_config(pipe.scheduler.config, timestep_spacing="trailing")
    if name.startswith(("hunyuan-1", "sdxl")):
        euler = diffusers.EulerDiscreteScheduler
        pipe.scheduler = euler.from_config(pipe.scheduler.config, timestep_spacing="trailing")
    if name.startswith(("hunyuan-1", "pixart", "sana")):
        extra = {"use_resolution_binning": False}
    if name.startswith("pixart"):
        extra |= {"clean_caption": False}
    if name.startswith("sana"):
        extra |= {"complex_human_instruction": None, "clean_caption": False}
    if name == "flux-schnell":
        extra = {"max_sequence_length": 256}
    guidance: dict[str, Any] = {"true_cfg_scale" if name == "qwen-image" else "guidance_scale": 4}
    if name.startswith("z-image"):
        guidance = {"guidance_scale": 3}  # of which the published code adds 1
    if name == "ideogram-4":
        extra = {"guidance_schedule": None}
    if name == "hunyuan-image":
        pipe.guider, guidance = pipe.guider.new(guidance_scale=4), {}
    if name == "ideogram-4":
        noise = noise.flatten(2).transpose(1, 2)
    packs = name in ("flux-dev", "flux-schnell", "qwen-image", "chroma")
    if packs:
        noise = pipe._pack_latents(noise, 1, *noise.shape[1:])
    prompts: dict[str, Any] = {"prompt": PROMPT}
    if name in CAPTIONS:
        prompts = {"prompt": dump_layout(plan, CAPTIONS[name]).text}
    if name == "chroma":  # without padding, which the published mask does not take away
        own = {text: pipe.encode_prompt(text, do_classifier_free_guidance=False)[0::2] for text in (PROMPT, "blurred")}
        states = {text: embeds[:, mask[0].bool()] for text, (embeds, mask, _) in own.items()}
        prompts = {"prompt_embeds": states[PROMPT], "negative_prompt_embeds": states["blurred"]} | {
            name: torch.ones(1, states[text].shape[1], dtype=torch.bool)
            for name, text in (("prompt_attention_mask", PROMPT), ("negative_prompt_attention_mask", "blurred"))
        }
    elif not name.startswith(("flux", "ideogram")):
        prompts |= {"negative_prompt": "blurred"}
    elif name == "flux.2-klein-base":
        prompts |= {"negative_prompt_embeds": pipe.encode_prompt("blurred")[0]}
    latents = pipe(
        **prompts, height=plan.height, width=plan.width, num_inference_steps=3, output_type="latent", latents=noise,
        **guidance, **extra,
    ).images  # fmt: skip
    if name in ("flux.2-dev", "ideogram-4"):
        latents = latents.transpose(1, 2).unflatten(2, (6, 6))
    if packs:
        latents = pipe._unpack_latents(latents, plan.height, plan.width, 8).reshape(1, 16, *(s // 8 for s in plan.size))
    if name.startswith("flux.2-klein"):
        mean, variance = pipe.vae.bn.running_mean[:, None, None], pipe.vae.bn.running_var[:, None, None]
        latents = (pipe._patchify_latents(latents) - mean) / (variance + pipe.vae.config.batch_norm_eps).sqrt()
    return latents  # type: ignore[no-any-return]


CAPTIONS = {"ideogram-4": "ideogram4", "fibo-2": "fibo"}
BOTH = ("sana", "sana-512", "sd-1.5", "sd-2.1-768", "sd3", "sd3-without-t5", "sd3.5-medium", "sd3.5-large-turbo")
WITHOUT_T5 = ("sd3-without-t5", "sd3.5-large-turbo")


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_loads_as_it_is_and_one_prompt_equals_diffusers(name: str, zoo: Path) -> None:
    folder = published(name, zoo)
    result = draw(str(folder), name)
    noise = torch.randn(result.latents.shape, generator=torch.Generator().manual_seed(7))
    theirs = by_diffusers(name, folder, noise)
    assert (result.latents - theirs).abs().max() < 1e-4 * theirs.std()  # 0 in most; 4e-5 in joint attention


# Weights of each component by their published names, of which some would be forgotten if files were written by the
# classes that read them.
NAMES = {
    "sd-1.5/text_encoder": ("text_model.embeddings.position_ids", "text_model.final_layer_norm.weight"),
    "sd-1.5/vae": ("encoder.mid_block.attentions.0.query.weight", "decoder.mid_block.attentions.0.proj_attn.bias"),
    "sd-1.5/unet": ("down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight", "conv_norm_out.weight"),
    "sdxl/text_encoder_2": ("text_model.encoder.layers.0.self_attn.q_proj.weight", "text_projection.weight"),
    "sdxl/unet": ("add_embedding.linear_1.weight", "mid_block.attentions.0.proj_in.weight"),
    "hunyuan-1.2/text_encoder": ("embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight"),
    "hunyuan-1.2/text_encoder_2": ("shared.weight", "encoder.block.0.layer.1.DenseReluDense.wi_0.weight"),
    "hunyuan-1.2/transformer": ("text_embedding_padding", "blocks.3.skip_linear.weight", "blocks.0.attn1.norm_q.bias",
                                "time_extra_emb.pooler.positional_embedding"),
    "hunyuan-1.1/transformer": ("time_extra_emb.style_embedder.weight", "time_extra_emb.extra_embedder.linear_1.bias"),
    "pixart-alpha/transformer": ("pos_embed.proj.weight", "adaln_single.emb.resolution_embedder.linear_1.weight",
                                 "caption_projection.linear_2.bias", "transformer_blocks.0.scale_shift_table"),
    "sana/text_encoder": ("embed_tokens.weight", "layers.1.pre_feedforward_layernorm.weight"),
    "sana/transformer": ("caption_norm.weight", "transformer_blocks.0.ff.conv_depth.weight", "time_embed.linear.bias"),
    "sana/vae": ("encoder.conv_in.weight", "decoder.conv_out.bias"),
    "sd3/transformer": ("pos_embed.pos_embed", "transformer_blocks.0.attn.add_q_proj.weight", "context_embedder.bias"),
    "sd3.5-medium/transformer": ("transformer_blocks.0.attn2.to_q.weight", "transformer_blocks.0.attn.norm_q.weight"),
    "flux-dev/transformer": ("time_text_embed.guidance_embedder.linear_1.weight", "x_embedder.weight",
                             "single_transformer_blocks.0.proj_mlp.weight",
                             "transformer_blocks.0.ff_context.net.2.bias"),
}  # fmt: skip


@pytest.mark.parametrize("component", NAMES)
def test_the_zoo_has_the_published_names(component: str, zoo: Path) -> None:
    name, part = component.split("/")
    stored = {key for file in (published(name, zoo) / part).glob("*.safetensors") for key in load_file(file)}
    assert stored >= set(NAMES[component])


def damaged(folder: Path, target: Path, component: str, change: Any) -> Path:
    """A copy of a checkpoint in which `change` was made to the weights of each file of a component."""
    shutil.copytree(folder, target)
    for file in (target / component).glob("*.safetensors"):
        weights = load_file(file)
        change(weights)
        save_file(weights, file, metadata={"format": "pt"})
    return target


COMPONENTS = [
    ("hunyuan-1.2", "transformer", "blocks.1.attn2.to_k.weight"),
    ("hunyuan-1.2", "text_encoder", "encoder.layer.0.output.dense.bias"),
    ("hunyuan-1.2", "text_encoder_2", "encoder.block.1.layer.0.SelfAttention.q.weight"),
    ("hunyuan-1.2", "vae", "decoder.conv_in.weight"),
    ("sd-1.5", "text_encoder", "text_model.encoder.layers.1.mlp.fc1.weight"),
    ("sd-1.5", "unet", "conv_out.bias"),
    ("sd-1.5", "vae", "encoder.mid_block.attentions.0.query.weight"),
    ("sana", "text_encoder", "layers.0.mlp.up_proj.weight"),
    ("sana", "vae", "decoder.conv_in.weight"),
    ("sd3", "transformer", "transformer_blocks.0.attn.add_q_proj.weight"),
    ("flux-dev", "transformer", "x_embedder.weight"),
]


@pytest.mark.parametrize(("name", "component", "weight"), COMPONENTS)
def test_weights_that_a_file_lacks_or_that_do_not_fit_are_named(
    name: str, component: str, weight: str, zoo: Path, tmp_path: Path
) -> None:
    def lose(weights: dict[str, torch.Tensor]) -> None:
        weights.pop(weight, None)

    def grow(weights: dict[str, torch.Tensor]) -> None:
        if weight in weights:
            weights[weight] = torch.cat([weights[weight]] * 2)

    what = weight.removeprefix("text_model.").rsplit(".", 2)[-2]  # the libraries call some otherwise than the files
    what = {"query": "to_q"}.get(what, what)
    for change, says in ((lose, f"the {component} lacks .*{what}"), (grow, f"of the {component} do not fit .*{what}")):
        with pytest.raises(ModelError, match=says) as error:
            load(str(damaged(published(name, zoo), tmp_path / change.__name__, component, change)), device="cpu")
        assert len(str(error.value).splitlines()) == 1


def test_what_changes_no_picture_may_be_missing(zoo: Path, tmp_path: Path) -> None:
    def lose(weights: dict[str, torch.Tensor]) -> None:
        for idle in [key for key in weights if "pooler" in key]:
            del weights[idle]

    folder = damaged(published("hunyuan-1.2", zoo), tmp_path / "copy", "text_encoder", lose)
    assert draw(str(folder), "hunyuan-1.2").latents.equal(draw(str(zoo / "hunyuan-1.2"), "hunyuan-1.2").latents)


def test_code_that_is_not_the_libraries_own_is_not_run(zoo: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(published("sd-1.5", zoo), tmp_path / "copy")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "own.py").write_text("raise SystemExit")
    (folder / "model_index.json").write_text(json.dumps(index | {"vae": ["own", "AutoencoderKL"]}))
    with pytest.raises(ModelError, match="own.AutoencoderKL, which neither library has"):
        load(str(folder), device="cpu")


def test_pickled_weights_are_not_read(zoo: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(published("sd-1.5", zoo), tmp_path / "copy")
    for file in (folder / "vae").glob("*.safetensors"):
        file.rename(file.with_suffix(".bin"))
    with pytest.raises(ModelError, match="its .safetensors are needed"):
        load(str(folder), device="cpu")


def test_a_safety_checker_is_not_loaded_and_the_picture_says_so(zoo: Path) -> None:
    renderer = Renderer(str(published("sd-1.5", zoo)), device="cpu")
    assert renderer.pipe.safety_checker is None and renderer.pipe.feature_extractor is None
    result = renderer.render(RenderRequest(plan=plan_of("sd-1.5"), steps=1))
    assert "this checkpoint's safety checker is not run" in result.warnings


def test_variants_are_told_by_whole_sets_of_files() -> None:
    assert stored_variants(["model.safetensors", "model.fp16.safetensors", "config.json"]) == [None, "fp16"]
    for pattern in ("model.fp16-0000{}-of-00002.safetensors", "model-0000{}-of-00002.fp16.safetensors"):
        assert stored_variants([pattern.format(1), pattern.format(2)]) == ["fp16"]
        assert stored_variants([pattern.format(1)]) == []
    assert stored_variants(["model-00001-of-00002.safetensors", "model.bf16.safetensors"]) == ["bf16"]
    assert stored_variants(["diffusion_pytorch_model.non_ema.safetensors", "model.bin", "flux1.safetensors"]) == []


def test_what_the_published_tokenizers_need_is_declared() -> None:
    declared = {line.split(">")[0] for line in requires("ditpipe") or [] if "extra ==" not in line}
    assert declared >= {"sentencepiece", "protobuf", "accelerate"}


def test_the_diffusers_that_the_readme_knows_to_work_can_be_installed() -> None:
    root = Path(__file__).parent.parent
    lines = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    (allowed,) = [found.specifier for line in lines if (found := Requirement(line)).name == "diffusers"]
    readme = (root / "README.md").read_text()
    assert "diffusers 0.41.0 and 0.42.1 (0.39 does not" in readme
    assert [version in allowed for version in ("0.41.0", "0.42.1", "0.39.0")] == [True, True, False]


def test_a_picture_stores_its_model_by_an_absolute_path(zoo: Path, tmp_path: Path) -> None:
    folder = published("sd-1.5-fp16", zoo)
    with contextlib.chdir(zoo):
        result = draw("sd-1.5-fp16", "sd-1.5-fp16", steps=1)
    assert result.request.model == str(folder)
    with contextlib.chdir(tmp_path):
        again = Renderer(result.request.model, device="cpu").render(result.request)
    assert again.latents.equal(result.latents)


@pytest.mark.parametrize("name", ["pixart-alpha", "sd-1.5", "sd3", "flux-dev"])
def test_nothing_is_printed_of_a_prompt_that_is_cut_nor_of_old_names(
    name: str, zoo: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(published(name, zoo), tmp_path / "copy")
    scheduler = folder / "scheduler" / "scheduler_config.json"
    config = json.loads(scheduler.read_text())
    config.pop("steps_offset", None)  # as in old checkpoints: diffusers warns of it at length
    scheduler.write_text(json.dumps(config))
    long = LeveledPrompt(high_level="red cat " * 120)
    plan = plan_of(name)
    plan = plan.model_copy(update={"scene": long, "regions": [plan.regions[0].model_copy(update={"prompt": long})]})
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # which nobody sees outside of tests
        result = draw(str(folder), name, plan=plan, steps=1)
    assert any("only the beginning" in line for line in result.warnings)
    assert [str(warning.message)[:200] for warning in shown] == []
    assert capfd.readouterr() == ("", "")


def test_a_controlnets_weights_are_checked_too(controlnet: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(controlnet, tmp_path / "copy")
    weights = load_file(folder / "diffusion_pytorch_model.safetensors")
    del weights["blocks.0.attn1.to_q.weight"]
    save_file(weights, folder / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks blocks.0.attn1.to_q.weight"):
        load_control(str(folder), dtype=torch.float32)
