"""Configurations with the keys of the published files."""

from __future__ import annotations

import math
from typing import Any

from .files import Config
from .tokenizer_files import MISTRAL_VOCABULARY, QWEN_VOCABULARY, VISION, clip_vocabulary


def clip_config(width: int, *, projection: int = 0, act: str = "quick_gelu", layers: int = 2) -> Config:
    """eos_token_id is 2, as published, which is not the token's number: the pooled state is then the last one's."""
    return {
        "_name_or_path": "openai/clip-vit-large-patch14",
        "architectures": ["CLIPTextModelWithProjection" if projection else "CLIPTextModel"],
        "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0, "eos_token_id": 2, "hidden_act": act,
        "hidden_size": width, "initializer_factor": 1.0, "initializer_range": 0.02, "intermediate_size": 2 * width,
        "layer_norm_eps": 1e-05, "max_position_embeddings": 77, "model_type": "clip_text_model",
        "num_attention_heads": 2, "num_hidden_layers": layers, "pad_token_id": 1,
        "projection_dim": projection or width, "torch_dtype": "float32", "transformers_version": "4.22.0.dev0",
        "vocab_size": len(clip_vocabulary()[0]),
    }  # fmt: skip


def t5_config(width: int, *, model_type: str = "t5", vocabulary: int = 192) -> Config:
    return {
        "_name_or_path": "output/text_encoder", "architectures": ["T5EncoderModel"], "classifier_dropout": 0.0,
        "d_ff": 2 * width, "d_kv": 8, "d_model": width, "decoder_start_token_id": 0, "dense_act_fn": "gelu_new",
        "dropout_rate": 0.1, "eos_token_id": 1, "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0,
        "is_encoder_decoder": True, "is_gated_act": True, "layer_norm_epsilon": 1e-06, "model_type": model_type,
        "num_decoder_layers": 2, "num_heads": 2, "num_layers": 2, "output_past": True, "pad_token_id": 0,
        "relative_attention_max_distance": 128, "relative_attention_num_buckets": 32, "tie_word_embeddings": False,
        "torch_dtype": "float32", "transformers_version": "4.21.1", "use_cache": True, "vocab_size": vocabulary,
    }  # fmt: skip


def bert_config(width: int) -> Config:
    return {
        "_name_or_path": "HunyuanDiT/clip_text_encoder", "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1, "bos_token_id": 0, "classifier_dropout": None, "directionality": "bidi",
        "eos_token_id": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": width,
        "initializer_range": 0.02, "intermediate_size": 2 * width, "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512, "model_type": "bert", "num_attention_heads": 2, "num_hidden_layers": 2,
        "output_past": True, "pad_token_id": 0, "pooler_fc_size": 768, "pooler_num_attention_heads": 12,
        "pooler_num_fc_layers": 3, "pooler_size_per_head": 128, "pooler_type": "first_token_transform",
        "position_embedding_type": "absolute", "torch_dtype": "float32", "transformers_version": "4.41.1",
        "type_vocab_size": 2, "use_cache": True, "vocab_size": 72,
    }  # fmt: skip


def gemma_config(width: int) -> Config:
    return {
        "_name_or_path": "unsloth/gemma-2-2b-it", "architectures": ["Gemma2Model"], "attention_bias": False,
        "attention_dropout": 0.0, "attn_logit_softcapping": 50.0, "bos_token_id": 2, "cache_implementation": "hybrid",
        "eos_token_id": 1, "final_logit_softcapping": 30.0, "head_dim": 8, "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh", "hidden_size": width, "initializer_range": 0.02,
        "intermediate_size": 2 * width, "max_position_embeddings": 8192, "model_type": "gemma2",
        "num_attention_heads": 2, "num_hidden_layers": 2, "num_key_value_heads": 1, "pad_token_id": 0,
        "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "sliding_window": 4096,
        "torch_dtype": "bfloat16", "transformers_version": "4.46.2", "use_cache": True, "vocab_size": 400,
    }  # fmt: skip


def vae_config(latent: int = 4, *, scaling: float = 0.18215, **more: Any) -> Config:
    return {
        "_class_name": "AutoencoderKL", "_diffusers_version": "0.6.0", "act_fn": "silu",
        "block_out_channels": [8, 8, 16, 16], "down_block_types": ["DownEncoderBlock2D"] * 4, "in_channels": 3,
        "latent_channels": latent, "layers_per_block": 2, "norm_num_groups": 4, "out_channels": 3, "sample_size": 512,
        "up_block_types": ["UpDecoderBlock2D"] * 4, "scaling_factor": scaling, **more,
    }  # fmt: skip


FLUX_VAE: Config = {"shift_factor": 0.1159, "force_upcast": True, "latents_mean": None, "latents_std": None,
                    "mid_block_add_attention": True, "use_post_quant_conv": False, "use_quant_conv": False}  # fmt: skip
SD3_VAE = FLUX_VAE | {"shift_factor": 0.0609}


def beta_config(name: str, beta_end: float, **more: Any) -> Config:
    return {
        "_class_name": name, "_diffusers_version": "0.29.0.dev0", "beta_end": beta_end,
        "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000, "trained_betas": None,
        **more,
    }  # fmt: skip


def hunyuan_scheduler(beta_end: float) -> Config:
    return beta_config(
        "DDPMScheduler", beta_end, clip_sample=False, clip_sample_range=1.0, dynamic_thresholding_ratio=0.995,
        prediction_type="v_prediction", rescale_betas_zero_snr=False, sample_max_value=1.0, steps_offset=1,
        thresholding=False, timestep_spacing="leading", variance_type="fixed_small",
    )  # fmt: skip


def dpm_scheduler(**more: Any) -> Config:
    config = beta_config(
        "DPMSolverMultistepScheduler", 0.02, algorithm_type="dpmsolver++", dynamic_thresholding_ratio=0.995,
        euler_at_final=False, lambda_min_clipped=-math.inf, lower_order_final=True, prediction_type="epsilon",
        sample_max_value=1.0, solver_order=2, solver_type="midpoint", steps_offset=0, thresholding=False,
        timestep_spacing="linspace", use_karras_sigmas=False, use_lu_lambdas=False, variance_type=None,
    )  # fmt: skip
    return config | {"beta_schedule": "linear", "beta_start": 0.0001} | more


def flow_scheduler(**more: Any) -> Config:
    return {"_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.29.0.dev0",
            "num_train_timesteps": 1000, **more}  # fmt: skip


def pixart_config(*, sample_size: int, **more: Any) -> Config:
    return {
        "_class_name": "Transformer2DModel", "_diffusers_version": "0.22.0.dev0", "activation_fn": "gelu-approximate",
        "attention_bias": True, "attention_head_dim": 24, "attention_type": "default", "caption_channels": 32,
        "cross_attention_dim": 48, "double_self_attention": False, "dropout": 0.0, "in_channels": 4,
        "norm_elementwise_affine": False, "norm_eps": 1e-06, "norm_num_groups": 32, "norm_type": "ada_norm_single",
        "num_attention_heads": 2, "num_embeds_ada_norm": 1000, "num_layers": 3, "num_vector_embeds": None,
        "only_cross_attention": False, "out_channels": 8, "patch_size": 2, "sample_size": sample_size,
        "upcast_attention": False, "use_linear_projection": False, **more,
    }  # fmt: skip


def hunyuan_config(*, conditions: bool) -> Config:
    """conditions: versions 1.0 and 1.1 are told the picture's size and style."""
    return {
        "_class_name": "HunyuanDiT2DModel", "_diffusers_version": "0.29.0.dev0", "activation_fn": "gelu-approximate",
        "attention_head_dim": 16, "cross_attention_dim": 16, "cross_attention_dim_t5": 32, "hidden_size": 32,
        "in_channels": 4, "learn_sigma": True, "mlp_ratio": 4.3637, "norm_type": "layer_norm",
        "num_attention_heads": 2, "num_layers": 4, "patch_size": 2, "pooled_projection_dim": 16, "sample_size": 128,
        "text_len": 77, "text_len_t5": 256, "use_style_cond_and_image_meta_size": conditions,
    }  # fmt: skip


def unet_config(*, sample_size: int, **more: Any) -> Config:
    return {
        "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "act_fn": "silu",
        "attention_head_dim": 8, "block_out_channels": [16, 32], "center_input_sample": False,
        "cross_attention_dim": 16, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4, "layers_per_block": 1,
        "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 4, "out_channels": 4,
        "sample_size": sample_size, "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], **more,
    }  # fmt: skip


SDXL_UNET: Config = {
    "addition_embed_type": "text_time", "addition_embed_type_num_heads": 64, "addition_time_embed_dim": 8,
    "attention_head_dim": [2, 4], "cross_attention_dim": 40, "projection_class_embeddings_input_dim": 72,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"], "transformer_layers_per_block": [1, 2],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "use_linear_projection": True, "class_embed_type": None,
    "conv_in_kernel": 3, "conv_out_kernel": 3, "dual_cross_attention": False, "only_cross_attention": False,
    "num_class_embeds": None, "resnet_time_scale_shift": "default", "time_embedding_type": "positional",
    "upcast_attention": None,
}  # fmt: skip


def sd3_config(**more: Any) -> Config:
    return {
        "_class_name": "SD3Transformer2DModel", "_diffusers_version": "0.29.0.dev0", "attention_head_dim": 16,
        "caption_projection_dim": 32, "in_channels": 16, "joint_attention_dim": 48, "num_attention_heads": 2,
        "num_layers": 3, "out_channels": 16, "patch_size": 2, "pooled_projection_dim": 40, "pos_embed_max_size": 24,
        "sample_size": 128, **more,
    }  # fmt: skip


def flux_config(*, guidance: bool) -> Config:
    return {
        "_class_name": "FluxTransformer2DModel", "_diffusers_version": "0.30.0.dev0", "attention_head_dim": 16,
        "axes_dims_rope": [4, 6, 6], "guidance_embeds": guidance, "in_channels": 64, "joint_attention_dim": 32,
        "num_attention_heads": 2, "num_layers": 2, "num_single_layers": 2, "patch_size": 1,
        "pooled_projection_dim": 16,
    }  # fmt: skip


def sana_config(*, sample_size: int) -> Config:
    return {
        "_class_name": "SanaTransformer2DModel", "_diffusers_version": "0.32.0.dev0", "attention_bias": False,
        "attention_head_dim": 16, "caption_channels": 16, "cross_attention_dim": 32, "cross_attention_head_dim": 16,
        "dropout": 0.0, "in_channels": 4, "interpolation_scale": None, "mlp_ratio": 2.5,
        "norm_elementwise_affine": False, "norm_eps": 1e-06, "num_attention_heads": 2,
        "num_cross_attention_heads": 2, "num_layers": 3, "out_channels": 4, "patch_size": 1,
        "sample_size": sample_size,
    }  # fmt: skip


def dc_ae_config() -> Config:
    kinds = ["ResBlock"] * 3 + ["EfficientViTBlock"] * 3
    return {
        "_class_name": "AutoencoderDC", "_diffusers_version": "0.32.0.dev0", "attention_head_dim": 2,
        "decoder_act_fns": "silu", "decoder_block_out_channels": [4, 4, 4, 8, 8, 8], "decoder_block_types": kinds,
        "decoder_layers_per_block": [1] * 6, "decoder_norm_types": "rms_norm",
        "decoder_qkv_multiscales": [[], [], [], [5], [5], [5]], "downsample_block_type": "conv",
        "encoder_block_out_channels": [4, 4, 4, 8, 8, 8], "encoder_block_types": kinds,
        "encoder_layers_per_block": [1] * 6, "encoder_qkv_multiscales": [[], [], [], [5], [5], [5]],
        "in_channels": 3, "latent_channels": 4, "scaling_factor": 0.41407, "upsample_block_type": "interpolate",
    }  # fmt: skip


def _qwen_text(width: int, layers: int) -> Config:
    return {
        "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": width, "initializer_range": 0.02,
        "intermediate_size": 2 * width, "max_position_embeddings": 4096, "num_attention_heads": 2,
        "num_hidden_layers": layers, "num_key_value_heads": 1, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
        "bos_token_id": 264, "eos_token_id": 266,
        "sliding_window": None, "tie_word_embeddings": False, "use_cache": True,
        "use_sliding_window": False, "vocab_size": QWEN_VOCABULARY,
    }  # fmt: skip


def qwen_vl_config(width: int) -> Config:
    """Qwen2.5-VL with a vision tower that no prompt uses."""
    text = _qwen_text(width, 2) | {
        "model_type": "qwen2_5_vl_text", "rope_scaling": {"mrope_section": [2, 3, 3], "rope_type": "default",
                                                          "type": "default"},
    }  # fmt: skip
    return text | {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"], "model_type": "qwen2_5_vl", "image_token_id": 266,
        "text_config": text, "torch_dtype": "bfloat16", "transformers_version": "4.53.1", "video_token_id": 265,
        "vision_config": {"depth": 1, "fullatt_block_indexes": [0], "hidden_act": "silu", "hidden_size": 16,
                          "in_channels": 3, "in_chans": 3, "intermediate_size": 16, "model_type": "qwen2_5_vl",
                          "num_heads": 2, "out_hidden_size": width, "patch_size": 14, "spatial_merge_size": 2,
                          "temporal_patch_size": 2, "tokens_per_second": 2, "window_size": 112},
    }  # fmt: skip


def qwen3_config(width: int, kind: str, *, layers: int) -> Config:
    return _qwen_text(width, layers) | {
        "architectures": [kind], "attention_bias": False, "head_dim": 8, "max_window_layers": layers,
        "model_type": "qwen3", "rope_scaling": None, "torch_dtype": "bfloat16", "transformers_version": "4.51.0",
    }  # fmt: skip


def qwen3_vl_config(width: int, kind: str) -> Config:
    """Qwen3-VL; 36 layers, since its states after the last ones are read."""
    text = _qwen_text(width, 36) | {
        "attention_bias": False, "head_dim": 8, "model_type": "qwen3_vl_text", "vocab_size": QWEN_VOCABULARY + 4,
        "rope_scaling": {"mrope_interleaved": True, "mrope_section": [2, 1, 1], "rope_type": "default"},
    }  # fmt: skip
    start, end, image, video = (QWEN_VOCABULARY + i for i in range(len(VISION)))
    return {
        "architectures": [kind], "image_token_id": image, "model_type": "qwen3_vl", "text_config": text,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "transformers_version": "4.57.1",
        "video_token_id": video, "vision_end_token_id": end, "vision_start_token_id": start,
        "vision_config": {"deepstack_visual_indexes": [0], "depth": 1, "hidden_act": "gelu_pytorch_tanh",
                          "hidden_size": 16, "in_channels": 3, "initializer_range": 0.02, "intermediate_size": 16,
                          "model_type": "qwen3_vl", "num_heads": 2, "num_position_embeddings": 2304,
                          "out_hidden_size": width, "patch_size": 16, "spatial_merge_size": 2,
                          "temporal_patch_size": 2},
    }  # fmt: skip


def mistral3_config(width: int) -> Config:
    """Mistral Small 3 with a vision tower that no prompt uses; 31 layers, since the 30th is read."""
    return {
        "architectures": ["Mistral3ForConditionalGeneration"], "image_token_index": 6, "model_type": "mistral3",
        "multimodal_projector_bias": False, "projector_hidden_act": "gelu", "spatial_merge_size": 2,
        "torch_dtype": "bfloat16", "transformers_version": "4.57.1", "vision_feature_layer": -1,
        "text_config": {"attention_dropout": 0.0, "head_dim": 8, "hidden_act": "silu", "hidden_size": width,
                        "initializer_range": 0.02, "intermediate_size": 2 * width, "max_position_embeddings": 131072,
                        "model_type": "mistral", "num_attention_heads": 2, "num_hidden_layers": 31,
                        "num_key_value_heads": 1, "rms_norm_eps": 1e-05, "rope_theta": 1000000000.0,
                        "sliding_window": None, "use_cache": True, "vocab_size": MISTRAL_VOCABULARY},
        "vision_config": {"attention_dropout": 0.0, "head_dim": 8, "hidden_act": "silu", "hidden_size": 16,
                          "image_size": 1540, "initializer_range": 0.02, "intermediate_size": 16,
                          "model_type": "pixtral", "num_attention_heads": 2, "num_channels": 3,
                          "num_hidden_layers": 1, "patch_size": 14, "rope_theta": 10000.0},
    }  # fmt: skip


def qwen_vae_config() -> Config:
    return {
        "_class_name": "AutoencoderKLQwenImage", "_diffusers_version": "0.34.0.dev0", "attn_scales": [],
        "base_dim": 8, "dim_mult": [1, 1, 2, 2], "dropout": 0.0, "num_res_blocks": 1,
        "latents_mean": [-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517,
                         -0.3632, -0.1922, -0.9497, 0.2503, -0.2921],
        "latents_std": [2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579,
                        1.6382, 1.1253, 2.8251, 1.916],
        "temperal_downsample": [False, True, True], "z_dim": 16,
    }  # fmt: skip


def qwen_image_config() -> Config:
    return {
        "_class_name": "QwenImageTransformer2DModel", "_diffusers_version": "0.34.0.dev0", "attention_head_dim": 16,
        "axes_dims_rope": [4, 6, 6], "guidance_embeds": False, "in_channels": 64, "joint_attention_dim": 32,
        "num_attention_heads": 2, "num_layers": 4, "out_channels": 16, "patch_size": 2,
    }  # fmt: skip


def flux2_config(*, guidance: bool = False) -> Config:
    return {
        "_class_name": "Flux2Transformer2DModel", "_diffusers_version": "0.37.0.dev0", "attention_head_dim": 16,
        "axes_dims_rope": [4, 4, 4, 4], "eps": 1e-06, "guidance_embeds": guidance, "in_channels": 128,
        "joint_attention_dim": 48, "mlp_ratio": 3.0, "num_attention_heads": 2, "num_layers": 2,
        "num_single_layers": 2, "out_channels": None, "patch_size": 1, "rope_theta": 2000,
        "timestep_guidance_channels": 256,
    }  # fmt: skip


def flux2_vae_config() -> Config:
    config = vae_config(32) | {
        "_class_name": "AutoencoderKLFlux2", "batch_norm_eps": 0.0001, "batch_norm_momentum": 0.1, "force_upcast": True,
        "mid_block_add_attention": True, "patch_size": [2, 2], "sample_size": 1024, "use_post_quant_conv": True,
        "use_quant_conv": True,
    }  # fmt: skip
    return {key: value for key, value in config.items() if key != "scaling_factor"}


def z_image_config() -> Config:
    return {
        "_class_name": "ZImageTransformer2DModel", "_diffusers_version": "0.36.0.dev0", "all_f_patch_size": [1],
        "all_patch_size": [2], "axes_dims": [4, 6, 6], "axes_lens": [1536, 512, 512], "cap_feat_dim": 16, "dim": 32,
        "in_channels": 16, "n_heads": 2, "n_kv_heads": 2, "n_layers": 4, "n_refiner_layers": 2, "norm_eps": 1e-05,
        "qk_norm": True, "rope_theta": 256.0, "t_scale": 1000.0,
    }  # fmt: skip


def lumina2_config() -> Config:
    return {
        "_class_name": "Lumina2Transformer2DModel", "_diffusers_version": "0.33.0.dev0", "axes_dim_rope": [4, 4, 4],
        "axes_lens": [300, 512, 512], "cap_feat_dim": 16, "ffn_dim_multiplier": None, "hidden_size": 48,
        "in_channels": 16, "multiple_of": 16, "norm_eps": 1e-05, "num_attention_heads": 4, "num_kv_heads": 2,
        "num_layers": 4, "num_refiner_layers": 2, "out_channels": None, "patch_size": 2, "sample_size": 128,
        "scaling_factor": 1.0,
    }  # fmt: skip


def chroma_config() -> Config:
    return {
        "_class_name": "ChromaTransformer2DModel", "_diffusers_version": "0.34.0.dev0", "approximator_hidden_dim": 32,
        "approximator_layers": 2, "approximator_num_channels": 16, "attention_head_dim": 16,
        "axes_dims_rope": [4, 6, 6], "in_channels": 64, "joint_attention_dim": 32, "num_attention_heads": 2,
        "num_layers": 2, "num_single_layers": 2, "out_channels": None, "patch_size": 1,
    }  # fmt: skip


def byt5_config(width: int) -> Config:
    return t5_config(width, vocabulary=384) | {"tokenizer_class": "ByT5Tokenizer"}


def hunyuan_image_config() -> Config:
    return {
        "_class_name": "HunyuanImageTransformer2DModel", "_diffusers_version": "0.36.0.dev0", "attention_head_dim": 16,
        "guidance_embeds": False, "in_channels": 16, "mlp_ratio": 4.0, "num_attention_heads": 2, "num_layers": 2,
        "num_refiner_layers": 2, "num_single_layers": 2, "out_channels": 16, "patch_size": [1, 1],
        "qk_norm": "rms_norm", "rope_axes_dim": [8, 8], "rope_theta": 256.0, "text_embed_2_dim": 24,
        "text_embed_dim": 32, "use_meanflow": False,
    }  # fmt: skip


def hunyuan_image_vae_config() -> Config:
    return {
        "_class_name": "AutoencoderKLHunyuanImage", "_diffusers_version": "0.36.0.dev0",
        "block_out_channels": [32] * 6, "downsample_match_channel": True, "in_channels": 3, "latent_channels": 16,
        "layers_per_block": 1, "out_channels": 3, "sample_size": 384, "scaling_factor": 0.75289,
        "spatial_compression_ratio": 32, "upsample_match_channel": True,
    }  # fmt: skip


def ideogram4_config() -> Config:
    return {
        "_class_name": "Ideogram4Transformer2DModel", "_diffusers_version": "0.39.0.dev0", "adaln_dim": 16,
        "attention_head_dim": 16, "in_channels": 128, "intermediate_size": 64, "llm_features_dim": 13 * 16,
        "mrope_section": [4, 2, 2], "norm_eps": 1e-05, "num_attention_heads": 2, "num_layers": 3,
        "rope_theta": 5000000,
    }  # fmt: skip


def fibo2_config() -> Config:
    return {
        "_class_name": "BriaFibo2Transformer2DModel", "_diffusers_version": "0.42.0.dev0", "axes_dims": [4, 6, 6],
        "axes_lens": [64, 64, 64], "cap_feat_dim": 48, "dim": 32, "gist_max_text_len": 64, "gist_min_text_len": 8,
        "gist_step": 4, "in_channels": 32, "injection_layer_ids": [0, 1, 2, 3, 4], "max_num_gist_tokens": 32,
        "min_num_gist_tokens": 8, "n_heads": 2, "n_layers": 6, "n_refiner_layers": 1, "norm_eps": 1e-05,
        "patch_size": 2, "perceiver_num_layers": 1, "rope_theta": 256.0, "t_scale": 1000.0,
    }  # fmt: skip
