"""Writes the pipeline folder renderer/pocket/ from what training/work/ holds: float16 safetensors, diffusers format.

python -m training.publish [--stage regional] [--folder FOLDER]
python -m training.publish --vae      # the VAE alone
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers import HunyuanDiTPipeline
from transformers import BertModel, BertTokenizer, T5EncoderModel

from training import autoencoder, text
from training.artwork import SHIPPED, WORK
from training.captions import vocabulary
from training.loop import keep_figures
from training.transformer import build, scheduler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=SHIPPED)
    parser.add_argument("--stage", default="transformer", choices=("transformer", "regional"))
    parser.add_argument("--vae", action="store_true", help="the VAE alone, the rest of the folder stays")
    args = parser.parse_args()
    folder = args.folder
    if args.vae:
        autoencoder.load().half().save_pretrained(folder / "vae")
        keep_figures("vae", "vae-256", folder=folder)
        return
    state = torch.load(WORK / f"{args.stage}.pt", map_location="cpu", weights_only=True)
    weights = state["average"]
    transformer, t5 = build(), T5EncoderModel.from_pretrained(text.folder() / "text_encoder_2").float()
    transformer.load_state_dict({k.removeprefix("dit."): v for k, v in weights.items() if k.startswith("dit.")})
    t5.load_state_dict({k.removeprefix("t5."): v for k, v in weights.items() if k.startswith("t5.")})
    tokenizer = BertTokenizer.from_pretrained(text.folder() / "tokenizer")
    pipe = HunyuanDiTPipeline(
        vae=autoencoder.load().cpu(),
        text_encoder=BertModel.from_pretrained(text.folder() / "text_encoder"),
        tokenizer=tokenizer,
        transformer=transformer,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        text_encoder_2=t5,
        tokenizer_2=tokenizer,
    )
    pipe.to(dtype=torch.float16)
    pipe.save_pretrained(folder, safe_serialization=True)
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary(), indent=1) + "\n")
    keep_figures("vae", "vae-256", "transformer", "regional", folder=folder)
    size = sum(f.stat().st_size for f in folder.rglob("*.safetensors")) / 1e6
    print(json.dumps({"step": state["step"], "seconds": state["seconds"], "megabytes": round(size, 2)}))


if __name__ == "__main__":
    main()
