"""The judges of the pocket model's pictures: small ResNets that classify a region or a whole picture.

They know no plans. They share neither architecture nor weights with the critic (a CLIP of vision transformer and text
encoder) and were trained on composed pictures only (`python -m training.judge`): they have never seen a generated one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from ...prompts.plan import Box
from ..checkpoints.registry import POCKET
from .pocket_labels import BACKGROUNDS, COLOURS, LIGHTS, NOTHING, PATTERNS, STYLES, SUBJECTS, SceneSeen, Seen

WEIGHTS = POCKET / "judge" / "judge.safetensors"
SCENE_WEIGHTS = WEIGHTS.with_name("scene.safetensors")
SIDE = 48  # pixels of a crop, whatever the shape of its box
SCENE_SIDE = 64  # pixels that the whole picture is reduced to
Net = TypeVar("Net", bound=nn.Module)


class Residual(nn.Module):
    """Two 3×3 convolutions, the first with stride 2, beside a 1×1 convolution (He et al. 2016, Figure 2)."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip
        self.side = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels_in, channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.side(x))


class Trunk(nn.Module):
    """Pictures (n, 3, side, side) in -1…1 → features (n, 2 · `last`): the mean and the maximum of each channel."""

    def __init__(self, first: int, middle: int, last: int) -> None:
        super().__init__()
        # Pixels in blocks of 2×2 become channels: a quarter of the cost of a convolution at full size.
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, first, 3, padding=1, bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        self.stages = nn.Sequential(Residual(first, middle), Residual(middle, last))

    def features(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x).contiguous(memory_format=torch.channels_last))
        return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)


class JudgeNet(Trunk):
    """Crops (n, 3, 48, 48) in -1…1 → logits of the subjects and 'nothing' (n, 65), colours (n, 8), patterns (n, 3)."""

    def __init__(self) -> None:
        super().__init__(32, 64, 112)
        self.subject = nn.Linear(2 * 112, len(SUBJECTS) + 1)
        self.colour = nn.Linear(2 * 112, len(COLOURS))
        self.pattern = nn.Linear(2 * 112, len(PATTERNS))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.features(x)
        return self.subject(features), self.colour(features), self.pattern(features)


class SceneNet(Trunk):
    """Whole pictures (n, 3, 64, 64) in -1…1 → logits of the backgrounds (n, 12), lights (n, 3), styles (n, 2)."""

    def __init__(self) -> None:
        super().__init__(24, 48, 80)
        self.background = nn.Linear(2 * 80, len(BACKGROUNDS))
        self.light = nn.Linear(2 * 80, len(LIGHTS))
        self.style = nn.Linear(2 * 80, len(STYLES))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.features(x)
        return self.background(features), self.light(features), self.style(features)


class Judge:
    """A trained JudgeNet. Stateless between calls."""

    def __init__(self, net: JudgeNet) -> None:
        self.net = net.eval()

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> "Judge":
        """Raises FileNotFoundError if there are no weights: `python -m training.judge` makes them."""
        return cls(_loaded(JudgeNet(), path))

    def look(self, image: Image.Image, boxes: Sequence[Box]) -> list[Seen]:
        """The label of each box of a picture."""
        return self.name(torch.stack([cut(image, box) for box in boxes])) if boxes else []

    def name(self, crops: Tensor) -> list[Seen]:
        """The label of each crop (n, 3, 48, 48) in -1…1."""
        subjects, colours, _ = self._logits(crops)
        best = zip(subjects.argmax(1).tolist(), colours.argmax(1).tolist(), strict=True)
        return [Seen(SUBJECTS[s], COLOURS[c]) if s < len(SUBJECTS) else Seen(NOTHING, "") for s, c in best]

    def patterns(self, crops: Tensor) -> list[str]:
        """The surface pattern in each crop (n, 3, 48, 48) in -1…1."""
        return [PATTERNS[number] for number in self._logits(crops)[2].argmax(1).tolist()]

    def patterns_in(self, image: Image.Image, boxes: Sequence[Box]) -> list[str]:
        """The surface pattern in each box of a picture."""
        return self.patterns(torch.stack([cut(image, box) for box in boxes])) if boxes else []

    def _logits(self, crops: Tensor) -> list[Tensor]:
        with torch.inference_mode():
            return [torch.cat(part) for part in zip(*map(self.net, crops.split(256)), strict=True)]


class SceneJudge:
    """A trained SceneNet: background, light and style of whole pictures. Stateless between calls."""

    def __init__(self, net: SceneNet) -> None:
        self.net = net.eval()

    @classmethod
    def load(cls, path: Path = SCENE_WEIGHTS) -> "SceneJudge":
        """Raises FileNotFoundError if there are no weights: `python -m training.judge --scenes` makes them."""
        return cls(_loaded(SceneNet(), path))

    def look(self, images: Sequence[Image.Image]) -> list[SceneSeen]:
        """The label of each whole picture."""
        return self.name(
            torch.stack([cut(image, Box(left=0, top=0, right=1, bottom=1), SCENE_SIDE) for image in images])
        )

    def name(self, pictures: Tensor) -> list[SceneSeen]:
        """The label of each picture (n, 3, 64, 64) in -1…1."""
        with torch.inference_mode():
            parts = [torch.cat(part) for part in zip(*map(self.net, pictures.split(256)), strict=True)]
        rows = zip(*(part.argmax(1).tolist() for part in parts), strict=True)
        return [SceneSeen(BACKGROUNDS[b], LIGHTS[light], STYLES[style]) for b, light, style in rows]


def _loaded(net: Net, path: Path) -> Net:
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no weights; make them with: python -m training.judge (and with --scenes those of whole pictures)"
        )
    net.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return net


def cut(image: Image.Image, box: Box, side: int = SIDE) -> Tensor:
    """The box of an RGB picture, squeezed to a square: (3, side, side) in -1…1."""
    width, height = image.size
    edges = (box.left * width, box.top * height, box.right * width, box.bottom * height)
    small = image.resize((side, side), Image.Resampling.BILINEAR, box=edges)
    pixels = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view(side, side, 3)
    return pixels.permute(2, 0, 1) / 127.5 - 1
