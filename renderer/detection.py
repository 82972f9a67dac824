"""Zero-shot object detection, and image-text matching of crops, by models of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from ..prompts.errors import ModelError, first_line
from ..prompts.plan import Box
from .checkpoints.files.hub import Hub, HubName
from .checkpoints.load import placement
from .checkpoints.silence import silence_loading

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Confidences from which a detection counts by default in the models' own processors. OWL-ViT and OWLv2; Grounding DINO.
OWL_THRESHOLD, DINO_THRESHOLD = 0.1, 0.25


@dataclass(frozen=True)
class Detection:
    """A thing that was found. `score`: the model's confidence, 0 to 1."""

    label: str
    score: float
    box: Box


class Detector:
    """An OWL-ViT (arXiv 2205.06230), OWLv2 (2306.09683) or Grounding DINO (2303.05499) model with its processor."""

    def __init__(self, model: PreTrainedModel, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor
        self._is_owl = str(model.config.model_type).startswith("owl")
        self.threshold = OWL_THRESHOLD if self._is_owl else DINO_THRESHOLD

    @classmethod
    def load(cls, source: str | Path, *, device: str | None = None, hub: Hub | None = None) -> Detector:
        """From a folder or a name on the hub (owner/name[@revision]).

        Raises ModelError if it cannot be loaded, or is not a zero-shot detector.
        """
        from transformers import AutoModelForZeroShotObjectDetection

        return cls(*_load(AutoModelForZeroShotObjectDetection, source, device, hub))

    def detect(self, image: Image.Image, labels: Sequence[str]) -> list[Detection]:
        """Everything found of any label, the most confident first. Labels beyond the model's tokens are cut."""
        if not labels:
            return []
        image = image.convert("RGB")
        # OWL scores each label separately; Grounding DINO mixes the words of its labels, so it gets one at a time.
        queries = [list(labels)] if self._is_owl else [[label] for label in labels]
        found = [detection for query in queries for detection in self._query(image, query)]
        return sorted(found, key=lambda detection: -detection.score)

    def _query(self, image: Image.Image, labels: list[str]) -> list[Detection]:
        limit = _text_limit(self.model)
        inputs = self.processor(
            text=[labels], images=image, return_tensors="pt", truncation=True, max_length=limit,
            padding="max_length" if self._is_owl else False,
        ).to(self.model.device)  # fmt: skip
        with torch.inference_mode():
            outputs = self.model(**inputs.to(dtype=self.model.dtype))
        (result,) = self.processor.post_process_grounded_object_detection(
            outputs, threshold=self.threshold, target_sizes=[(image.height, image.width)], text_labels=[labels],
        )  # fmt: skip
        names = result["text_labels"] if self._is_owl else labels * len(result["scores"])
        rows = zip(names, result["scores"].tolist(), result["boxes"].tolist(), strict=True)
        found = ((name, score, _box(edges, image)) for name, score, edges in rows)
        return [Detection(name, score, box) for name, score, box in found if box]


class TextMatcher:
    """A CLIP (arXiv 2103.00020), SigLIP (2303.15343) or SigLIP 2 (2502.14786) model with its processor."""

    def __init__(self, model: PreTrainedModel, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor

    @classmethod
    def load(cls, source: str | Path, *, device: str | None = None, hub: Hub | None = None) -> TextMatcher:
        """From a folder or a name on the hub (owner/name[@revision]). Raises ModelError."""
        from transformers import AutoModel

        model, processor = _load(AutoModel, source, device, hub)
        if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
            raise ModelError(f"{source} is not an image-text model, such as CLIP or SigLIP 2")
        return cls(model, processor)

    def match(self, crops: Sequence[Image.Image], texts: Sequence[str]) -> list[list[float]]:
        """Logits of each crop for each text, as (crops, texts); softmax over a row compares the texts."""
        if not crops or not texts:
            return [[] for _ in crops]
        inputs = self.processor(
            text=list(texts), images=[crop.convert("RGB") for crop in crops], return_tensors="pt",
            padding="max_length", truncation=True, max_length=_text_limit(self.model),
        ).to(self.model.device)  # fmt: skip
        with torch.inference_mode():
            logits: list[list[float]] = self.model(**inputs.to(dtype=self.model.dtype)).logits_per_image.tolist()
        return logits


def _load(auto: Any, source: str | Path, device: str | None, hub: Hub | None) -> tuple[PreTrainedModel, Any]:
    """Model and processor from safetensors; nothing of the folder is executed. Raises ModelError."""
    from transformers import AutoProcessor

    name = None if Path(source).is_dir() else HubName.parse(str(source))
    if name is None and not Path(source).is_dir():
        raise ModelError(f"{source} is neither a folder nor a name on the hub (owner/name)")
    folder = (hub or Hub()).fetch_with_processor(name) if name else Path(source)
    place, dtype = placement(device)
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        with silence_loading():
            model = auto.from_pretrained(folder, dtype=dtype, use_safetensors=True, **options)
            return model.to(place), AutoProcessor.from_pretrained(folder, **options)
    except ImportError as error:
        raise ModelError(
            f'the local critic needs more packages: pip install "ditpipe[critic]" ({first_line(error)})'
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"cannot load {source} as a critic's model: {first_line(error)}") from error


def _text_limit(model: PreTrainedModel) -> int:
    """Most tokens of a text."""
    config = getattr(model.config, "text_config", model.config)
    return int(getattr(model.config, "max_text_len", 0) or config.max_position_embeddings)


def _box(edges: Sequence[float], image: Image.Image) -> Box | None:
    """Pixel edges as a box inside the canvas; None if nothing of it is inside."""
    left, right = (min(max(x / image.width, 0.0), 1.0) for x in (edges[0], edges[2]))
    top, bottom = (min(max(y / image.height, 0.0), 1.0) for y in (edges[1], edges[3]))
    return Box(left=left, top=top, right=right, bottom=bottom) if left < right and top < bottom else None
