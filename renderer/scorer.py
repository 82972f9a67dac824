"""Looks at regions of a picture: the embedded critic's eyes, a small CLIP trained on the pocket world."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..prompts.errors import ModelError
from ..prompts.scene import Box
from .models import POCKET

NOTHING = "nothing"
ALIKE = 0.8  # text embeddings closer than this mean the same subject and colour


@dataclass(frozen=True)
class RegionFit:
    """What the scorer makes of one region. `score`: 0–1, its probability that the asked text is what is there."""

    score: float
    seen: str
    problem: str = ""


class Scorer:
    """A CLIP model and the labels of its world."""

    def __init__(self, model: Any, tokenizer: Any, vocabulary: dict[str, dict[str, list[str]]]) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.subjects, self.colours = vocabulary["subjects"], vocabulary["colours"]
        self.labels = [f"{colour} {subject}" for subject in self.subjects for colour in self.colours] + [NOTHING]
        self.bank = self._read(self.labels)

    @classmethod
    def load(cls, folder: Path = POCKET / "critic") -> "Scorer":
        """From a folder with a CLIPModel, its tokenizer and vocabulary.json. Raises ModelError if something is missing."""
        from transformers import BertTokenizer, CLIPModel

        try:
            vocabulary = json.loads((folder / "vocabulary.json").read_text())
            model = CLIPModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
            return cls(model, BertTokenizer.from_pretrained(folder, local_files_only=True), vocabulary)
        except (OSError, ValueError) as error:
            raise ModelError(f"cannot load the embedded critic from {folder}: {str(error).splitlines()[0]}") from error

    def score(self, image: Image.Image, boxes: Sequence[Box], texts: Sequence[str]) -> list[RegionFit]:
        """One fit per box and text, e.g. 'red cat'. Words it does not know are compared as text, and that is said."""
        with torch.inference_mode():
            seen = self._see([_cut(image, box, self.model.config.vision_config.image_size) for box in boxes])
            asked = self._read(list(texts))
            scale = self.model.logit_scale.exp().clamp(max=60)
            chances = (scale * seen @ self.bank.T).softmax(-1)
            direct = scale * (seen * asked).sum(-1)
            total = torch.logsumexp(scale * seen @ self.bank.T, dim=-1)
        return [
            self._fit(text, chances[i], asked[i], float((direct[i] - torch.logaddexp(direct[i], total[i])).exp()))
            for i, text in enumerate(texts)
        ]

    def _fit(self, text: str, chances: Tensor, asked: Tensor, unknown_score: float) -> RegionFit:
        seen = self.labels[int(chances.argmax())]
        label = self._named(text)
        if label is None:
            likeness, nearest = (self.bank @ asked).max(dim=-1)
            label = self.labels[int(nearest)] if float(likeness) >= ALIKE else None
        if label is None:
            return RegionFit(unknown_score, seen, f"cannot judge {text!r}: it is outside this critic's world")
        score = float(chances[self.labels.index(label)])
        return RegionFit(score, seen, "" if seen == label else f"asked for {text!r}, sees {seen!r}")

    def _named(self, text: str) -> str | None:
        """The label whose colour and subject words, or their synonyms, both stand in the text; None if it is not one."""
        words = text.lower().replace(",", " ").split()
        subjects = {name for name, said in self.subjects.items() if set(said) & set(words)}
        colours = {name for name, said in self.colours.items() if set(said) & set(words)}
        return f"{colours.pop()} {subjects.pop()}" if len(subjects) == 1 and len(colours) == 1 else None

    def _read(self, texts: list[str]) -> Tensor:
        """Unit text embeddings, (texts, channels)."""
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=24, return_tensors="pt")
        with torch.inference_mode():
            hidden = self.model.text_model(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask).pooler_output
            return F.normalize(self.model.text_projection(hidden), dim=-1)

    def _see(self, crops: list[Tensor]) -> Tensor:
        """Unit image embeddings of crops in -1…1, (crops, channels)."""
        pooled = self.model.vision_model(pixel_values=torch.stack(crops)).pooler_output
        return F.normalize(self.model.visual_projection(pooled), dim=-1)


def _cut(image: Image.Image, box: Box, side: int) -> Tensor:
    """The box of an RGB picture as (3, side, side) in -1…1."""
    left, top = round(box.left * image.width), round(box.top * image.height)
    right, bottom = max(left + 1, round(box.right * image.width)), max(top + 1, round(box.bottom * image.height))
    cut = image.convert("RGB").crop((left, top, right, bottom)).resize((side, side), Image.Resampling.BILINEAR)
    return torch.frombuffer(bytearray(cut.tobytes()), dtype=torch.uint8).view(side, side, 3).permute(2, 0, 1) / 127.5 - 1
