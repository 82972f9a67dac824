"""Tiny detectors and image-text models of random weights, in the classes and files of the published ones."""

import string
from pathlib import Path
from typing import Any

import torch
from tiny_models import gemma_tokenizer
from transformers import (
    BertConfig,
    BertTokenizer,
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoProcessor,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2Processor,
    SiglipConfig,
    SiglipModel,
    SiglipProcessor,
    SwinConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

SIZE = {"height": 32, "width": 32}
TEXT = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 64}
VISION = TEXT | {"image_size": 32, "patch_size": 8}


def clip_tokenizer() -> CLIPTokenizer:
    """The special tokens last, as published: OWL takes a text that begins with token 0 for padding."""
    letters = string.ascii_lowercase
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[], model_max_length=77)


def owlv2(folder: Path) -> Path:
    torch.manual_seed(0)
    config = Owlv2Config(
        text_config=TEXT | {"max_position_embeddings": 16, "pad_token_id": 53, "bos_token_id": 52, "eos_token_id": 53},
        vision_config=VISION, projection_dim=16,
    )  # fmt: skip
    model = Owlv2ForObjectDetection(config)
    torch.nn.init.zeros_(model.box_head.dense2.weight)  # each patch's box is its own square
    model.save_pretrained(folder)
    Owlv2Processor(Owlv2ImageProcessorPil(size=SIZE), clip_tokenizer()).save_pretrained(folder)
    return folder


def grounding_dino(folder: Path) -> Path:
    torch.manual_seed(0)
    letters = string.ascii_lowercase
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)})
    make: Any = SwinConfig  # its out_indices are a property
    backbone = make(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=2, out_indices=[2, 3, 4],
    )  # fmt: skip
    config = GroundingDinoConfig(
        backbone_config=backbone, d_model=32, num_queries=8, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2, max_text_len=64,
        text_config=BertConfig(
            vocab_size=len(pieces), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        ),
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    images = GroundingDinoImageProcessorPil(size={"shortest_edge": 128, "longest_edge": 128})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def siglip2(folder: Path) -> Path:
    torch.manual_seed(0)
    config = SiglipConfig(
        text_config=TEXT | {"max_position_embeddings": 24, "projection_size": 16}, vision_config=VISION
    )
    SiglipModel(config).save_pretrained(folder)
    SiglipProcessor(SiglipImageProcessorPil(size=SIZE), gemma_tokenizer()).save_pretrained(folder)
    return folder


def clip(folder: Path) -> Path:
    torch.manual_seed(0)
    text = TEXT | {"max_position_embeddings": 24, "bos_token_id": 52, "eos_token_id": 53, "pad_token_id": 53}
    CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=16)).save_pretrained(folder)
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=SIZE)
    CLIPProcessor(images, clip_tokenizer()).save_pretrained(folder)
    return folder
