"""A tiny Hunyuan-DiT with random weights and the published text lengths, a tiny ControlNet, a picture to start from."""

from __future__ import annotations

import os
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from ditpipe import Renderer

os.environ["DITPIPE_PLANNER"] = "embedded"  # whatever else was pulled on this machine
# Nothing is fetched from the hub: this address refuses connections, in child processes too. HF_HUB_OFFLINE would be no
# safer, and would also block the hub that test_hub.py runs on this machine.
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Conversations and runs of this process, and of those that it starts, are kept in a folder of its own."""
    os.environ["XDG_DATA_HOME"] = str(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from diffusers import AutoencoderKL, DDPMScheduler, HunyuanDiT2DModel, HunyuanDiTPipeline
    from transformers import BertConfig, BertModel, BertTokenizer, T5Config, T5EncoderModel

    torch.manual_seed(0)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.ascii_lowercase]
    tokens += [f"##{letter}" for letter in string.ascii_lowercase] + [","]
    tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate(tokens)})
    folder = tmp_path_factory.mktemp("tiny-hunyuan")
    pipe: Any = HunyuanDiTPipeline(
        vae=AutoencoderKL(
            latent_channels=4, block_out_channels=(8, 8, 8, 8), norm_num_groups=4, mid_block_add_attention=False,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        ),
        text_encoder=BertModel(
            BertConfig(vocab_size=len(tokens), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                       intermediate_size=16)
        ),
        tokenizer=tokenizer,
        transformer=HunyuanDiT2DModel(
            num_attention_heads=2, attention_head_dim=16, hidden_size=32, num_layers=4, in_channels=4, patch_size=2,
            sample_size=16, cross_attention_dim=16, cross_attention_dim_t5=24, pooled_projection_dim=16,
            use_style_cond_and_image_meta_size=True,
        ),
        scheduler=DDPMScheduler(
            beta_start=0.00085, beta_end=0.018, beta_schedule="scaled_linear", prediction_type="v_prediction"
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        text_encoder_2=T5EncoderModel(
            T5Config(vocab_size=len(tokens), d_model=24, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
        ),
        tokenizer_2=tokenizer,
    )  # fmt: skip
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Renderer:
    from ditpipe import Renderer

    return Renderer(str(tiny_folder), device="cpu")


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A picture with an edge in it, of another size than a plan's."""
    image = Image.new("RGB", (200, 120), "navy")
    ImageDraw.Draw(image).ellipse((50, 20, 130, 100), fill="gold")
    image.save(tmp_path / "start.png")
    return tmp_path / "start.png"


@pytest.fixture(scope="session")
def controlnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from diffusers import HunyuanDiT2DControlNetModel
    from tiny_models import loud

    torch.manual_seed(1)
    net: Any = HunyuanDiT2DControlNetModel(
        conditioning_channels=4, num_attention_heads=2, attention_head_dim=16, hidden_size=32, in_channels=4,
        patch_size=2, sample_size=16, transformer_num_layers=4, cross_attention_dim=16, cross_attention_dim_t5=24,
        pooled_projection_dim=16,
    )  # fmt: skip
    loud(net)
    folder = tmp_path_factory.mktemp("tiny-controlnet")
    net.save_pretrained(folder)
    return folder
