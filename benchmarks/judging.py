"""The judge of every benchmark: a small ResNet that names what a region of a pocket picture shows. Knows no plans.

It shares neither architecture nor weights with the critic (a CLIP of vision transformer and text encoder) and was
trained on composed pictures only (`python -m training.judge`): it has never seen a generated one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from ditpipe import Box

WEIGHTS = Path(__file__).parent / "judge" / "judge.safetensors"
SIDE = 48  # pixels of a crop, whatever the shape of its box
NOTHING = "nothing"
# The order of the outputs; tests compare it with training/world.py, which needs the training extra.
SUBJECTS = (
    "cat", "dog", "rabbit", "fish", "bird", "duck", "butterfly", "turtle", "whale", "snail", "apple", "mushroom",
    "cupcake", "tree", "cactus", "tulip", "car", "bus", "rocket", "sailboat", "house", "castle", "guitar", "umbrella",
    "balloon", "crown", "star", "heart", "moon", "robot",
    "frog", "bear", "elephant", "penguin", "owl", "bee", "octopus", "crab", "dinosaur", "fox", "giraffe", "strawberry",
    "carrot", "pizza", "donut", "pumpkin", "banana", "sunflower", "palm", "leaf", "train", "bicycle", "airplane",
    "helicopter", "tractor", "tent", "drum", "trumpet", "bell", "cloud", "sun", "snowflake", "teapot", "gift",
)  # fmt: skip
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
PATTERNS = ("plain", "striped", "dotted")


@dataclass(frozen=True)
class Seen:
    """What one region shows; of a region that shows nothing the colour is empty."""

    subject: str
    colour: str

    def __str__(self) -> str:
        return f"{self.colour} {self.subject}".strip()


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


class JudgeNet(nn.Module):
    """Crops (n, 3, 48, 48) in -1…1 → logits of the subjects and 'nothing' (n, 65), colours (n, 8), patterns (n, 3)."""

    def __init__(self) -> None:
        super().__init__()
        # Pixels in blocks of 2×2 become channels: a quarter of the cost of a convolution at full size.
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()
        )
        self.stages = nn.Sequential(Residual(32, 64), Residual(64, 112))
        self.subject = nn.Linear(2 * 112, len(SUBJECTS) + 1)
        self.colour = nn.Linear(2 * 112, len(COLOURS))
        self.pattern = nn.Linear(2 * 112, len(PATTERNS))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.stages(self.stem(x).contiguous(memory_format=torch.channels_last))
        pooled = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
        return self.subject(pooled), self.colour(pooled), self.pattern(pooled)


class Judge:
    """A trained JudgeNet. Keeps nothing from one call to the next."""

    def __init__(self, net: JudgeNet) -> None:
        self.net = net.eval()

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> "Judge":
        """Raises FileNotFoundError if there are no weights: `python -m training.judge` makes them."""
        if not path.exists():
            raise FileNotFoundError(f"{path}: the judge has no weights; make them with: python -m training.judge")
        net = JudgeNet()
        net.load_state_dict({name: value.float() for name, value in load_file(path).items()})
        return cls(net)

    def look(self, image: Image.Image, boxes: Sequence[Box]) -> list[Seen]:
        """What each box of the picture shows."""
        return self.name(torch.stack([cut(image, box) for box in boxes]))

    def name(self, crops: Tensor) -> list[Seen]:
        """What each crop (n, 3, 48, 48) in -1…1 shows."""
        subjects, colours, _ = self._logits(crops)
        found = zip(subjects.argmax(1).tolist(), colours.argmax(1).tolist(), strict=True)
        return [Seen(SUBJECTS[s], COLOURS[c]) if s < len(SUBJECTS) else Seen(NOTHING, "") for s, c in found]

    def patterns(self, crops: Tensor) -> list[str]:
        """The surface pattern of what each crop (n, 3, 48, 48) in -1…1 shows."""
        return [PATTERNS[number] for number in self._logits(crops)[2].argmax(1).tolist()]

    def _logits(self, crops: Tensor) -> list[Tensor]:
        with torch.inference_mode():
            return [torch.cat(part) for part in zip(*map(self.net, crops.split(256)), strict=True)]


def cut(image: Image.Image, box: Box) -> Tensor:
    """The box of an RGB picture, squeezed to a square: (3, 48, 48) in -1…1."""
    width, height = image.size
    edges = (box.left * width, box.top * height, box.right * width, box.bottom * height)
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=edges)
    pixels = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view(SIDE, SIDE, 3)
    return pixels.permute(2, 0, 1) / 127.5 - 1
