"""Tiny checkpoints of every family with random weights, through diffusers' own classes, in diffusers' folder format."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from published import published
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

LETTERS = string.ascii_lowercase + ","


def clip_tokenizer() -> Any:
    vocab = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    return CLIPTokenizer(vocab={piece: i for i, piece in enumerate(vocab)}, merges=[], model_max_length=77)


def t5_tokenizer() -> Any:
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("▁", -1.0), *((letter, -2.0) for letter in LETTERS)]
    return T5Tokenizer(vocab=pieces, extra_ids=0)


def gemma_tokenizer() -> Any:
    vocab = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", *LETTERS]
    return GemmaTokenizer(vocab={piece: i for i, piece in enumerate(vocab)}, merges=[])


def clip(width: int = 16, *, projection: int = 0) -> Any:
    config = CLIPTextConfig(
        vocab_size=64, hidden_size=width, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        projection_dim=projection or width, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)


def t5(width: int = 24) -> Any:
    return T5EncoderModel(T5Config(vocab_size=64, d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2))


def vae(channels: int = 4, **config: Any) -> Any:
    return diffusers.AutoencoderKL(
        latent_channels=channels, block_out_channels=(8, 8, 8, 8), norm_num_groups=4, mid_block_add_attention=False,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, **config,
    )  # fmt: skip


def diffusion(**config: Any) -> Any:
    return diffusers.EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", **config)


def flow(**config: Any) -> Any:
    return diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, **config)


def pixart() -> Any:
    return diffusers.PixArtSigmaPipeline(
        tokenizer=t5_tokenizer(), text_encoder=t5(), vae=vae(), scheduler=diffusion(),
        transformer=diffusers.PixArtTransformer2DModel(
            num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=8, num_layers=4,
            cross_attention_dim=32, sample_size=16, patch_size=2, caption_channels=24, use_additional_conditions=False,
        ),
    )  # fmt: skip


def pixart_alpha() -> Any:
    return diffusers.PixArtAlphaPipeline(
        tokenizer=t5_tokenizer(), text_encoder=t5(), vae=vae(), scheduler=diffusion(),
        transformer=diffusers.PixArtTransformer2DModel(
            num_attention_heads=2, attention_head_dim=24, in_channels=4, out_channels=8, num_layers=4,
            cross_attention_dim=48, sample_size=128, patch_size=2, caption_channels=24, use_additional_conditions=True,
        ),
    )  # fmt: skip


def sana(qk_norm: str | None = None) -> Any:
    blocks = 6  # halved five times: 32×32 pixels a cell
    return diffusers.SanaPipeline(
        tokenizer=gemma_tokenizer(),
        text_encoder=Gemma2Model(
            Gemma2Config(vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, head_dim=8,
                         num_attention_heads=2, num_key_value_heads=1)
        ),
        vae=diffusers.AutoencoderDC(
            latent_channels=4, attention_head_dim=2, encoder_block_out_channels=(8,) * blocks,
            decoder_block_out_channels=(8,) * blocks, encoder_layers_per_block=(1,) * blocks,
            decoder_layers_per_block=(1,) * blocks, encoder_qkv_multiscales=((),) * blocks,
            decoder_qkv_multiscales=((),) * blocks, upsample_block_type="interpolate",
            downsample_block_type="stride_conv", scaling_factor=0.41,
        ),
        scheduler=flow(),
        transformer=diffusers.SanaTransformer2DModel(
            in_channels=4, out_channels=4, num_layers=4, num_attention_heads=2, attention_head_dim=16,
            num_cross_attention_heads=2, cross_attention_head_dim=16, cross_attention_dim=32, caption_channels=16,
            sample_size=8, patch_size=1, qk_norm=qk_norm,
        ),
    )  # fmt: skip


def _unet(text: int, **config: Any) -> Any:
    return diffusers.UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=1, sample_size=16, in_channels=4, out_channels=4,
        norm_num_groups=4, cross_attention_dim=text, attention_head_dim=2, **config,
    )  # fmt: skip


def sd() -> Any:
    return diffusers.StableDiffusionPipeline(
        vae=vae(), text_encoder=clip(), tokenizer=clip_tokenizer(), scheduler=diffusion(), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
        unet=_unet(16, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                   up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")),
    )  # fmt: skip


def sdxl() -> Any:
    return diffusers.StableDiffusionXLPipeline(
        vae=vae(), text_encoder=clip(), tokenizer=clip_tokenizer(), text_encoder_2=clip(24, projection=24),
        tokenizer_2=clip_tokenizer(), scheduler=diffusion(), feature_extractor=None, add_watermarker=False,
        unet=_unet(40, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), addition_embed_type="text_time",
                   up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), addition_time_embed_dim=8,
                   projection_class_embeddings_input_dim=72, transformer_layers_per_block=(1, 2)),
    )  # fmt: skip


def sd3(dual: tuple[int, ...] = ()) -> Any:
    return diffusers.StableDiffusion3Pipeline(
        vae=vae(8, shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False), scheduler=flow(),
        text_encoder=clip(16, projection=16), tokenizer=clip_tokenizer(), text_encoder_2=clip(16, projection=24),
        tokenizer_2=clip_tokenizer(), text_encoder_3=t5(32), tokenizer_3=t5_tokenizer(),
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=16, patch_size=2, in_channels=8, num_layers=4, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=32, caption_projection_dim=32, pooled_projection_dim=40, out_channels=8,
            pos_embed_max_size=24, dual_attention_layers=dual, qk_norm="rms_norm" if dual else None,
        ),
    )  # fmt: skip


def flux() -> Any:
    return diffusers.FluxPipeline(
        vae=vae(4, shift_factor=0.11, use_quant_conv=False, use_post_quant_conv=False),
        scheduler=flow(use_dynamic_shifting=True), text_encoder=clip(), tokenizer=clip_tokenizer(),
        text_encoder_2=t5(), tokenizer_2=t5_tokenizer(),
        transformer=diffusers.FluxTransformer2DModel(
            in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=24, pooled_projection_dim=16, guidance_embeds=True, axes_dims_rope=(4, 6, 6),
        ),
    )  # fmt: skip


TINY: dict[str, Callable[[], Any]] = {
    "pixart-sigma": pixart,
    "pixart-alpha": pixart_alpha,
    "sana": sana,
    "sana-1.5": lambda: sana("rms_norm_across_heads"),
    "sd": sd,
    "sdxl": sdxl,
    "sd3": sd3,
    "sd3.5": lambda: sd3((0, 1)),
    "flux": flux,
}


# Families whose tiny checkpoint is the one in the published structure.
PUBLISHED = (
    "qwen-image", "flux.2-klein", "flux.2-klein-base", "flux.2-dev", "z-image", "chroma", "lumina-2", "hunyuan-image",
)  # fmt: skip
NAMES = (*TINY, *PUBLISHED)
CORE = ("pixart-sigma", "sdxl", "flux")  # a family of each kind of conditioning: the fast tests draw with these alone


def by_speed(names: Iterable[str]) -> list[Any]:
    """Names of families as parameters of tests, all but the `CORE` marked as slow."""
    return [name if name in CORE else pytest.param(name, marks=pytest.mark.slow) for name in names]


def saved(name: str, folder: Path) -> Path:
    """The tiny checkpoint of that name, written once."""
    if name in PUBLISHED:
        return published(name, folder)
    target = folder / name
    if not target.exists():
        torch.manual_seed(0)
        pipe = TINY[name]()
        loud(getattr(pipe, "unet", None) or pipe.transformer)
        pipe.save_pretrained(target)
    return target


def loud(model: torch.nn.Module) -> None:
    """Draws weights that their classes begin with as zero, so that nothing is silent."""
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
