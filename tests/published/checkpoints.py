"""The checkpoint folders, one function per family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from .configs import (
    FLUX_VAE,
    SD3_VAE,
    SDXL_UNET,
    bert_config,
    beta_config,
    byt5_config,
    chroma_config,
    clip_config,
    dc_ae_config,
    dpm_scheduler,
    fibo2_config,
    flow_scheduler,
    flux2_config,
    flux2_vae_config,
    flux_config,
    gemma_config,
    hunyuan_config,
    hunyuan_image_config,
    hunyuan_image_vae_config,
    hunyuan_scheduler,
    ideogram4_config,
    lumina2_config,
    mistral3_config,
    pixart_config,
    qwen3_config,
    qwen3_vl_config,
    qwen_image_config,
    qwen_vae_config,
    qwen_vl_config,
    sana_config,
    sd3_config,
    t5_config,
    unet_config,
    vae_config,
    z_image_config,
)
from .files import Config, write_json, write_model
from .tokenizer_files import (
    VISION,
    write_bert_tokenizer,
    write_byt5_tokenizer,
    write_clip_tokenizer,
    write_gemma_tokenizer,
    write_pixtral_processor,
    write_qwen3_vl_processor,
    write_qwen_tokenizer,
    write_t5_tokenizer,
)
from .weights import (
    ATTENTION,
    MISTRAL_3,
    OLD_ATTENTION,
    QWEN_VL,
    bert_weights,
    clip_weights,
    denoiser_weights,
    gemma_weights,
    t5_weights,
    transformers_weights,
    vae_weights,
)

NONE = (None, None)


def write_index(folder: Path, pipeline: str, parts: Mapping[str, tuple[str | None, str | None]], **more: Any) -> None:
    index = {"_class_name": pipeline, "_diffusers_version": "0.29.0.dev0"}
    write_json(folder / "model_index.json", index | {name: list(part) for name, part in parts.items()} | more)


def write_scheduler(folder: Path, config: Config) -> tuple[str, str]:
    write_json(folder / "scheduler" / "scheduler_config.json", config)
    return "diffusers", str(config["_class_name"])


def hunyuan(folder: Path, *, conditions: bool = False, beta_end: float = 0.018) -> None:
    """Tencent-Hunyuan/HunyuanDiT-v1.2-Diffusers, and v1.1 and v1.0, with a sharded mT5."""
    write_bert_tokenizer(folder / "tokenizer")
    write_model(folder / "text_encoder", bert_config(16), bert_weights(bert_config(16)))
    write_t5_tokenizer(folder / "tokenizer_2", extra_ids=0)
    t5 = t5_config(32, model_type="mt5") | {"tokenizer_class": "T5Tokenizer"}
    both = ("shared.weight", "encoder.embed_tokens.weight")  # tied, and saved twice
    write_model(folder / "text_encoder_2", t5, t5_weights(t5, embedding=both), shards=2)
    transformer = hunyuan_config(conditions=conditions)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer))
    vae = vae_config(scaling=0.13025, force_upcast=False)
    write_model(folder / "vae", vae, vae_weights(vae))
    write_index(
        folder, "HunyuanDiTPipeline",
        {"feature_extractor": NONE, "safety_checker": NONE,
         "scheduler": write_scheduler(folder, hunyuan_scheduler(beta_end)),
         "text_encoder": ("transformers", "BertModel"), "text_encoder_2": ("transformers", "T5EncoderModel"),
         "tokenizer": ("transformers", "BertTokenizer"), "tokenizer_2": ("transformers", "T5Tokenizer"),
         "transformer": ("diffusers", "HunyuanDiT2DModel"), "vae": ("diffusers", "AutoencoderKL")},
        requires_safety_checker=True,
    )  # fmt: skip


def pixart(folder: Path, pipeline: str, transformer: Config, *, attention: Mapping[str, str] = ATTENTION) -> None:
    """PixArt-alpha/PixArt-XL-2-1024-MS, -512x512, and PixArt-Sigma-XL-2-1024-MS: one sharded T5."""
    write_t5_tokenizer(folder / "tokenizer")
    write_model(folder / "text_encoder", t5_config(32), t5_weights(t5_config(32)), shards=2)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer))
    vae = vae_config(scaling=0.13025 if "Sigma" in pipeline else 0.18215)
    write_model(folder / "vae", vae, vae_weights(vae, attention))
    write_index(
        folder, pipeline,
        {"scheduler": write_scheduler(folder, dpm_scheduler()), "text_encoder": ("transformers", "T5EncoderModel"),
         "tokenizer": ("transformers", "T5Tokenizer"), "transformer": ("diffusers", transformer["_class_name"]),
         "vae": ("diffusers", "AutoencoderKL")},
    )  # fmt: skip


def sana(folder: Path, *, sample_size: int = 32, variants: tuple[str | None, ...] = (None, "fp16")) -> None:
    """Efficient-Large-Model/Sana_1600M_1024px_diffusers and its 512px: all in full and in fp16, Gemma sharded."""
    write_gemma_tokenizer(folder / "tokenizer")
    gemma = gemma_config(16)
    write_model(folder / "text_encoder", gemma, gemma_weights(gemma), variants=variants, shards=2)
    transformer, vae = sana_config(sample_size=sample_size), dc_ae_config()
    write_model(folder / "transformer", transformer, denoiser_weights(transformer), variants=variants)
    write_model(folder / "vae", vae, denoiser_weights(vae), variants=variants)
    scheduler = dpm_scheduler(flow_shift=3.0, prediction_type="flow_prediction", use_flow_sigmas=True)
    write_index(
        folder, "SanaPipeline",
        {"scheduler": write_scheduler(folder, scheduler), "text_encoder": ("transformers", "Gemma2Model"),
         "tokenizer": ("transformers", "GemmaTokenizerFast"), "transformer": ("diffusers", "SanaTransformer2DModel"),
         "vae": ("diffusers", "AutoencoderDC")},
    )  # fmt: skip


def write_safety_checker(folder: Path, variants: tuple[str | None, ...]) -> None:
    """A stand-in of the published one's files, with weights that fit nothing: it must not be read."""
    config = {"architectures": ["StableDiffusionSafetyChecker"], "model_type": "clip", "projection_dim": 8}
    write_model(folder / "safety_checker", config, {"concept_embeds": torch.zeros(17, 8)}, variants=variants)
    write_json(
        folder / "feature_extractor" / "preprocessor_config.json",
        {"crop_size": 224, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True, "do_resize": True,
         "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
         "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 224},
    )  # fmt: skip


def sd(folder: Path, *, variants: tuple[str | None, ...] = (None, "fp16")) -> None:
    """stable-diffusion-v1-5/stable-diffusion-v1-5: both variants, a safety checker, old attention names."""
    write_clip_tokenizer(folder / "tokenizer")
    clip = clip_config(16)
    write_model(folder / "text_encoder", clip, clip_weights(clip), variants=variants)
    unet, vae = unet_config(sample_size=64), vae_config()
    write_model(folder / "unet", unet, denoiser_weights(unet), variants=variants)
    write_model(folder / "vae", vae, vae_weights(vae, OLD_ATTENTION), variants=variants)
    write_safety_checker(folder, variants)
    scheduler = beta_config("PNDMScheduler", 0.012, set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1,
                            clip_sample=False)  # fmt: skip
    write_index(
        folder, "StableDiffusionPipeline",
        {"feature_extractor": ("transformers", "CLIPImageProcessor"),
         "safety_checker": ("stable_diffusion", "StableDiffusionSafetyChecker"),
         "scheduler": write_scheduler(folder, scheduler), "text_encoder": ("transformers", "CLIPTextModel"),
         "tokenizer": ("transformers", "CLIPTokenizer"), "unet": ("diffusers", "UNet2DConditionModel"),
         "vae": ("diffusers", "AutoencoderKL")},
    )  # fmt: skip


def sd2(folder: Path) -> None:
    """stabilityai/stable-diffusion-2-1, of 768 pixels: OpenCLIP, v-prediction, no safety checker."""
    write_clip_tokenizer(folder / "tokenizer", pad="!")
    clip = clip_config(16, act="gelu", layers=2) | {"projection_dim": 512}
    write_model(folder / "text_encoder", clip, clip_weights(clip), variants=(None, "fp16"))
    unet = unet_config(sample_size=96, use_linear_projection=True, attention_head_dim=[2, 4], upcast_attention=True,
                       dual_cross_attention=False, num_class_embeds=None, only_cross_attention=False)  # fmt: skip
    vae = vae_config()
    write_model(folder / "unet", unet, denoiser_weights(unet), variants=(None, "fp16"))
    write_model(folder / "vae", vae, vae_weights(vae, OLD_ATTENTION), variants=(None, "fp16"))
    scheduler = beta_config("DDIMScheduler", 0.012, clip_sample=False, prediction_type="v_prediction",
                            set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1)  # fmt: skip
    write_index(
        folder, "StableDiffusionPipeline",
        {"feature_extractor": ("transformers", "CLIPImageProcessor"), "safety_checker": NONE,
         "scheduler": write_scheduler(folder, scheduler), "text_encoder": ("transformers", "CLIPTextModel"),
         "tokenizer": ("transformers", "CLIPTokenizer"), "unet": ("diffusers", "UNet2DConditionModel"),
         "vae": ("diffusers", "AutoencoderKL")},
        requires_safety_checker=False,
    )  # fmt: skip
    write_safety_checker(folder, (None,))  # its feature extractor is listed and its files are there


def sdxl(folder: Path, *, scheduler: Config | None = None) -> None:
    """SG161222/RealVisXL_V5.0's structure: stabilityai/stable-diffusion-xl-base-1.0's, in fp16 only."""
    write_clip_tokenizer(folder / "tokenizer")
    write_clip_tokenizer(folder / "tokenizer_2", pad="!")
    first, second = clip_config(16), clip_config(24, projection=24, act="gelu")
    only: tuple[str | None, ...] = ("fp16",)
    write_model(folder / "text_encoder", first, clip_weights(first, position_ids=False), variants=only)
    write_model(folder / "text_encoder_2", second, clip_weights(second, position_ids=False), variants=only)
    unet, vae = unet_config(sample_size=128, **SDXL_UNET), vae_config(scaling=0.13025, force_upcast=True)
    write_model(folder / "unet", unet, denoiser_weights(unet), variants=only)
    write_model(folder / "vae", vae, vae_weights(vae), variants=only)
    scheduler = scheduler or beta_config(
        "EulerDiscreteScheduler", 0.012, clip_sample=False, interpolation_type="linear", prediction_type="epsilon",
        sample_max_value=1.0, set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1,
        timestep_spacing="leading", use_karras_sigmas=False,
    )  # fmt: skip
    write_index(
        folder, "StableDiffusionXLPipeline",
        {"scheduler": write_scheduler(folder, scheduler), "text_encoder": ("transformers", "CLIPTextModel"),
         "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
         "tokenizer": ("transformers", "CLIPTokenizer"), "tokenizer_2": ("transformers", "CLIPTokenizer"),
         "unet": ("diffusers", "UNet2DConditionModel"), "vae": ("diffusers", "AutoencoderKL")},
        force_zeros_for_empty_prompt=True,
    )  # fmt: skip


def sd3(folder: Path, *, transformer: Config | None = None, t5: bool = True) -> None:
    """stabilityai/stable-diffusion-3-medium-diffusers and 3.5: T5 sharded in full and in fp16, or none at all."""
    for name, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
        write_clip_tokenizer(folder / name, pad=pad)
    first, second = clip_config(16, projection=16), clip_config(24, projection=24, act="gelu")
    weights = clip_weights(first, position_ids=False) | {"text_projection.weight": torch.eye(16)}  # SD 3 has none
    write_model(folder / "text_encoder", first, weights, variants=(None, "fp16"))
    write_model(folder / "text_encoder_2", second, clip_weights(second, position_ids=False), variants=(None, "fp16"))
    if t5:
        write_t5_tokenizer(folder / "tokenizer_3")
        write_model(
            folder / "text_encoder_3", t5_config(48), t5_weights(t5_config(48)), variants=(None, "fp16"), shards=2
        )
    transformer, vae = transformer or sd3_config(), vae_config(16, scaling=1.5305, **SD3_VAE)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer))
    write_model(folder / "vae", vae, vae_weights(vae))
    write_index(
        folder, "StableDiffusion3Pipeline",
        {"scheduler": write_scheduler(folder, flow_scheduler(shift=3.0)),
         "text_encoder": ("transformers", "CLIPTextModelWithProjection"),
         "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
         "text_encoder_3": ("transformers", "T5EncoderModel") if t5 else NONE,
         "tokenizer": ("transformers", "CLIPTokenizer"), "tokenizer_2": ("transformers", "CLIPTokenizer"),
         "tokenizer_3": ("transformers", "T5TokenizerFast") if t5 else NONE,
         "transformer": ("diffusers", "SD3Transformer2DModel"), "vae": ("diffusers", "AutoencoderKL")},
    )  # fmt: skip


def flux(folder: Path, *, guidance: bool = True) -> None:
    """black-forest-labs/FLUX.1-dev, and with no `guidance` FLUX.1-schnell: transformer and T5 sharded."""
    write_clip_tokenizer(folder / "tokenizer")
    clip = clip_config(16)
    write_model(folder / "text_encoder", clip, clip_weights(clip, position_ids=False))
    write_t5_tokenizer(folder / "tokenizer_2")
    write_model(folder / "text_encoder_2", t5_config(32), t5_weights(t5_config(32)), shards=2)
    transformer, vae = flux_config(guidance=guidance), vae_config(16, scaling=0.3611, **FLUX_VAE)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer), shards=3)
    write_model(folder / "vae", vae, vae_weights(vae))
    scheduler = flow_scheduler(
        base_image_seq_len=256, base_shift=0.5, max_image_seq_len=4096, max_shift=1.15,
        shift=3.0 if guidance else 1.0, use_dynamic_shifting=guidance,
    )  # fmt: skip
    write_index(
        folder, "FluxPipeline",
        {"scheduler": write_scheduler(folder, scheduler), "text_encoder": ("transformers", "CLIPTextModel"),
         "text_encoder_2": ("transformers", "T5EncoderModel"), "tokenizer": ("transformers", "CLIPTokenizer"),
         "tokenizer_2": ("transformers", "T5TokenizerFast"), "transformer": ("diffusers", "FluxTransformer2DModel"),
         "vae": ("diffusers", "AutoencoderKL")},
    )  # fmt: skip


def qwen_image(folder: Path) -> None:
    """Qwen/Qwen-Image: Qwen2.5-VL and the transformer sharded, a VAE that was made for videos."""
    write_qwen_tokenizer(folder / "tokenizer")
    text, transformer, vae = qwen_vl_config(32), qwen_image_config(), qwen_vae_config()
    write_model(folder / "text_encoder", text, transformers_weights(text, QWEN_VL), shards=2)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer), shards=3)
    write_model(folder / "vae", vae, denoiser_weights(vae))
    scheduler = flow_scheduler(
        base_image_seq_len=256, base_shift=0.5, invert_sigmas=False, max_image_seq_len=8192, max_shift=0.9, shift=1.0,
        shift_terminal=0.02, stochastic_sampling=False, time_shift_type="exponential", use_beta_sigmas=False,
        use_dynamic_shifting=True, use_exponential_sigmas=False, use_karras_sigmas=False,
    )  # fmt: skip
    write_index(
        folder, "QwenImagePipeline",
        {"scheduler": write_scheduler(folder, scheduler),
         "text_encoder": ("transformers", "Qwen2_5_VLForConditionalGeneration"),
         "tokenizer": ("transformers", "Qwen2Tokenizer"), "transformer": ("diffusers", "QwenImageTransformer2DModel"),
         "vae": ("diffusers", "AutoencoderKLQwenImage")},
    )  # fmt: skip


def flux2_scheduler() -> Config:
    return flow_scheduler(
        base_image_seq_len=256, base_shift=0.5, invert_sigmas=False, max_image_seq_len=4096, max_shift=1.15, shift=3.0,
        shift_terminal=None, stochastic_sampling=False, time_shift_type="exponential", use_beta_sigmas=False,
        use_dynamic_shifting=True, use_exponential_sigmas=False, use_karras_sigmas=False,
    )  # fmt: skip


def flux2_klein(folder: Path, *, distilled: bool = True) -> None:
    """black-forest-labs/FLUX.2-klein-4B, and if not `distilled` FLUX.2-klein-base-4B."""
    write_qwen_tokenizer(folder / "tokenizer")
    text, transformer, vae = qwen3_config(16, "Qwen3ForCausalLM", layers=28), flux2_config(), flux2_vae_config()
    write_model(folder / "text_encoder", text, transformers_weights(text), shards=2)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer))
    write_model(folder / "vae", vae, denoiser_weights(vae))
    write_index(
        folder, "Flux2KleinPipeline",
        {"scheduler": write_scheduler(folder, flux2_scheduler()), "text_encoder": ("transformers", "Qwen3ForCausalLM"),
         "tokenizer": ("transformers", "Qwen2TokenizerFast"), "transformer": ("diffusers", "Flux2Transformer2DModel"),
         "vae": ("diffusers", "AutoencoderKLFlux2")},
        is_distilled=distilled,
    )  # fmt: skip


def flux2_dev(folder: Path) -> None:
    """black-forest-labs/FLUX.2-dev: Mistral Small 3 and the transformer sharded."""
    write_pixtral_processor(folder / "tokenizer")
    text, transformer, vae = mistral3_config(16), flux2_config(guidance=True), flux2_vae_config()
    write_model(folder / "text_encoder", text, transformers_weights(text, MISTRAL_3), shards=2)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer), shards=2)
    write_model(folder / "vae", vae, denoiser_weights(vae))
    write_index(
        folder, "Flux2Pipeline",
        {"scheduler": write_scheduler(folder, flux2_scheduler()),
         "text_encoder": ("transformers", "Mistral3ForConditionalGeneration"),
         "tokenizer": ("transformers", "PixtralProcessor"), "transformer": ("diffusers", "Flux2Transformer2DModel"),
         "vae": ("diffusers", "AutoencoderKLFlux2")},
    )  # fmt: skip


def ideogram4(folder: Path) -> None:
    """ideogram-ai/ideogram-4: two transformers, Qwen3-VL without a head, FLUX.2's VAE, and a head for rewriting."""
    write_qwen_tokenizer(folder / "tokenizer", more=VISION)
    text, transformer, vae = qwen3_vl_config(16, "Qwen3VLModel"), ideogram4_config(), flux2_vae_config()
    write_model(folder / "text_encoder", text, transformers_weights(text), shards=2)
    weights = denoiser_weights(transformer)
    write_model(folder / "transformer", transformer, weights)
    other = {name: value.flip(0) for name, value in weights.items()}
    write_model(folder / "unconditional_transformer", transformer, other)
    write_model(folder / "vae", vae, denoiser_weights(vae))
    write_index(
        folder, "Ideogram4Pipeline",
        {"scheduler": write_scheduler(folder, flow_scheduler(shift=1.0, use_dynamic_shifting=False)),
         "text_encoder": ("transformers", "Qwen3VLModel"), "tokenizer": ("transformers", "Qwen2Tokenizer"),
         "transformer": ("diffusers", "Ideogram4Transformer2DModel"),
         "unconditional_transformer": ("diffusers", "Ideogram4Transformer2DModel"),
         "prompt_enhancer_head": NONE, "vae": ("diffusers", "AutoencoderKLFlux2")},
    )  # fmt: skip


def fibo2(folder: Path) -> None:
    """briaai/Fibo-2.0-dev: Qwen3-VL, which sees letterings, FLUX.2's VAE."""
    write_qwen3_vl_processor(folder / "processor")
    text = qwen3_vl_config(16, "Qwen3VLForConditionalGeneration")
    transformer, vae = fibo2_config(), flux2_vae_config()
    write_model(folder / "text_encoder", text, transformers_weights(text), shards=2)
    weights = denoiser_weights(transformer)
    for name in weights:
        if "adaLN_modulation" in name or "final_layer" in name:
            weights[name] *= 0.05  # these would amplify rounding from step to step
    write_model(folder / "transformer", transformer, weights, shards=2)
    write_model(folder / "vae", vae, denoiser_weights(vae))
    scheduler = flow_scheduler(
        base_image_seq_len=256, base_shift=0.5, max_image_seq_len=4096, max_shift=1.15, shift=3.0,
        use_dynamic_shifting=True,
    )  # fmt: skip
    write_index(
        folder, "BriaFibo2Pipeline",
        {"scheduler": write_scheduler(folder, scheduler), "processor": ("transformers", "Qwen3VLProcessor"),
         "text_encoder": ("transformers", "Qwen3VLForConditionalGeneration"),
         "transformer": ("diffusers", "BriaFibo2Transformer2DModel"), "vae": ("diffusers", "AutoencoderKLFlux2")},
    )  # fmt: skip


def z_image(folder: Path, *, shift: float = 6.0) -> None:
    """Tongyi-MAI/Z-Image, and with a shift of 3 Z-Image-Turbo: Qwen 3 and the transformer sharded, FLUX.1's VAE."""
    write_qwen_tokenizer(folder / "tokenizer")
    text = qwen3_config(16, "Qwen3ForCausalLM", layers=2)
    transformer, vae = z_image_config(), vae_config(16, scaling=0.3611, **FLUX_VAE)
    write_model(folder / "text_encoder", text, transformers_weights(text), shards=2)
    weights = denoiser_weights(transformer)
    for name in weights:
        if "adaLN_modulation" in name or "final_layer" in name:
            weights[name] *= 0.05  # these would amplify rounding from step to step
    write_model(folder / "transformer", transformer, weights, shards=2)
    write_model(folder / "vae", vae, vae_weights(vae))
    write_index(
        folder, "ZImagePipeline",
        {"scheduler": write_scheduler(folder, flow_scheduler(shift=shift, use_dynamic_shifting=False)),
         "text_encoder": ("transformers", "Qwen3Model"), "tokenizer": ("transformers", "Qwen2Tokenizer"),
         "transformer": ("diffusers", "ZImageTransformer2DModel"), "vae": ("diffusers", "AutoencoderKL")},
    )  # fmt: skip


def lumina2(folder: Path) -> None:
    """Alpha-VLLM/Lumina-Image-2.0: Gemma 2 sharded, FLUX.1's VAE."""
    write_gemma_tokenizer(folder / "tokenizer")
    gemma = gemma_config(16)
    transformer, vae = lumina2_config(), vae_config(16, scaling=0.3611, **FLUX_VAE)
    write_model(folder / "text_encoder", gemma, gemma_weights(gemma), shards=2)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer))
    write_model(folder / "vae", vae, vae_weights(vae))
    write_index(
        folder, "Lumina2Pipeline",
        {"scheduler": write_scheduler(folder, flow_scheduler(shift=6.0, use_dynamic_shifting=False)),
         "text_encoder": ("transformers", "Gemma2Model"), "tokenizer": ("transformers", "GemmaTokenizerFast"),
         "transformer": ("diffusers", "Lumina2Transformer2DModel"), "vae": ("diffusers", "AutoencoderKL")},
    )  # fmt: skip


def chroma(folder: Path) -> None:
    """lodestones/Chroma1-HD: T5 and the transformer sharded, FLUX.1's VAE."""
    write_t5_tokenizer(folder / "tokenizer")
    write_model(folder / "text_encoder", t5_config(32), t5_weights(t5_config(32)), shards=2)
    transformer, vae = chroma_config(), vae_config(16, scaling=0.3611, **FLUX_VAE)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer), shards=2)
    write_model(folder / "vae", vae, vae_weights(vae))
    scheduler = flow_scheduler(
        base_image_seq_len=256, base_shift=0.5, max_image_seq_len=4096, max_shift=1.15, shift=3.0,
        use_dynamic_shifting=True,
    )  # fmt: skip
    write_index(
        folder, "ChromaPipeline",
        {"scheduler": write_scheduler(folder, scheduler), "text_encoder": ("transformers", "T5EncoderModel"),
         "tokenizer": ("transformers", "T5Tokenizer"), "transformer": ("diffusers", "ChromaTransformer2DModel"),
         "vae": ("diffusers", "AutoencoderKL")},
    )  # fmt: skip


def hunyuan_image(folder: Path) -> None:
    """hunyuanvideo-community/HunyuanImage-2.1-Diffusers: Qwen2.5-VL, a ByT5 for lettering, two guiders."""
    write_qwen_tokenizer(folder / "tokenizer")
    write_byt5_tokenizer(folder / "tokenizer_2")
    text, quoted = qwen_vl_config(32) | {"num_hidden_layers": 3}, byt5_config(24)
    text["text_config"] = text["text_config"] | {"num_hidden_layers": 3}
    write_model(folder / "text_encoder", text, transformers_weights(text, QWEN_VL), shards=2)
    write_model(folder / "text_encoder_2", quoted, t5_weights(quoted))
    transformer, vae = hunyuan_image_config(), hunyuan_image_vae_config()
    write_model(folder / "transformer", transformer, denoiser_weights(transformer), shards=2)
    write_model(folder / "vae", vae, denoiser_weights(vae))
    parts: dict[str, tuple[str | None, str | None]] = {}
    for name, start in (("guider", 1), ("ocr_guider", 2)):  # published: 5 and 38, of 50 steps
        write_json(
            folder / name / "guider_config.json",
            {"_class_name": "AdaptiveProjectedMixGuidance", "_diffusers_version": "0.36.0.dev0",
             "adaptive_projected_guidance_momentum": -0.5, "adaptive_projected_guidance_rescale": 10.0,
             "adaptive_projected_guidance_scale": 10.0, "adaptive_projected_guidance_start_step": start, "eta": 0.0,
             "guidance_rescale": 0.0, "guidance_scale": 3.5, "start": 0.0, "stop": 1.0,
             "use_original_formulation": False},
        )  # fmt: skip
        parts[name] = ("diffusers", "AdaptiveProjectedMixGuidance")
    write_index(
        folder, "HunyuanImagePipeline",
        {"scheduler": write_scheduler(folder, flow_scheduler(shift=5.0, use_dynamic_shifting=False)),
         "text_encoder": ("transformers", "Qwen2_5_VLForConditionalGeneration"),
         "text_encoder_2": ("transformers", "T5EncoderModel"), "tokenizer": ("transformers", "Qwen2Tokenizer"),
         "tokenizer_2": ("transformers", "ByT5Tokenizer"),
         "transformer": ("diffusers", "HunyuanImageTransformer2DModel"),
         "vae": ("diffusers", "AutoencoderKLHunyuanImage")} | parts,
    )  # fmt: skip


SIGMA: Config = {"interpolation_scale": 2, "use_additional_conditions": False}
SD35: Config = {"dual_attention_layers": [0, 1], "qk_norm": "rms_norm"}
SDXL_TURBO = beta_config(
    "EulerAncestralDiscreteScheduler", 0.012, clip_sample=False, interpolation_type="linear",
    prediction_type="epsilon", sample_max_value=1.0, set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1,
    timestep_spacing="trailing",
)  # fmt: skip

PUBLISHED: dict[str, Callable[[Path], None]] = {
    "hunyuan-1.2": hunyuan,
    "hunyuan-1.2-distilled": hunyuan,  # the same structure; fewer steps
    "hunyuan-1.1": lambda folder: hunyuan(folder, conditions=True, beta_end=0.03),
    "hunyuan-1.1-distilled": lambda folder: hunyuan(folder, conditions=True, beta_end=0.03),
    "hunyuan-1.0": lambda folder: hunyuan(folder, conditions=True, beta_end=0.03),
    "pixart-alpha": lambda folder: pixart(
        folder, "PixArtAlphaPipeline", pixart_config(sample_size=128), attention=OLD_ATTENTION
    ),
    "pixart-alpha-512": lambda folder: pixart(
        folder, "PixArtAlphaPipeline", pixart_config(sample_size=64), attention=OLD_ATTENTION
    ),
    "pixart-sigma": lambda folder: pixart(folder, "PixArtSigmaPipeline", pixart_config(sample_size=128, **SIGMA)),
    "pixart-sigma-512": lambda folder: pixart(
        folder, "PixArtSigmaPipeline", pixart_config(sample_size=64, **SIGMA | {"interpolation_scale": 1})
    ),
    "sana": sana,
    "sana-512": lambda folder: sana(folder, sample_size=16),
    "sana-bf16": lambda folder: sana(folder, variants=("bf16",)),
    "sd-1.5": sd,
    "sd-1.5-fp16": lambda folder: sd(folder, variants=("fp16",)),
    "sd-2.1-768": sd2,
    "sdxl": sdxl,
    "sdxl-turbo": lambda folder: sdxl(folder, scheduler=SDXL_TURBO),
    "sd3": sd3,
    "sd3-without-t5": lambda folder: sd3(folder, t5=False),
    "sd3.5-medium": lambda folder: sd3(folder, transformer=sd3_config(**SD35)),
    "sd3.5-large-turbo": lambda folder: sd3(folder, transformer=sd3_config(qk_norm="rms_norm"), t5=False),
    "flux-dev": flux,
    "flux-schnell": lambda folder: flux(folder, guidance=False),
    "qwen-image": qwen_image,
    "flux.2-klein": flux2_klein,
    "flux.2-klein-base": lambda folder: flux2_klein(folder, distilled=False),
    "flux.2-dev": flux2_dev,
    "z-image": z_image,
    "z-image-turbo": lambda folder: z_image(folder, shift=3.0),
    "lumina-2": lumina2,
    "chroma": chroma,
    "hunyuan-image": hunyuan_image,
    "ideogram-4": ideogram4,
    "fibo-2": fibo2,
}  # fmt: skip


def published(name: str, folder: Path) -> Path:
    """The checkpoint of that name under a folder, written once."""
    target = folder / name
    if not target.exists():
        PUBLISHED[name](target)
    return target
