"""What the pocket model's world holds, as the labels of its judge, which knows no plans. Loads no torch."""

from dataclasses import dataclass

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
BACKGROUNDS = (
    "night", "sky", "sunset", "meadow", "beach", "snow", "sea", "room", "desert", "forest", "city", "mountains",
)  # fmt: skip
LIGHTS = ("bright", "warm", "dim")
STYLES = ("flat", "glossy")


@dataclass(frozen=True)
class Seen:
    """The label of a region; for NOTHING the colour is empty."""

    subject: str
    colour: str

    def __str__(self) -> str:
        return f"{self.colour} {self.subject}".strip()


@dataclass(frozen=True)
class SceneSeen:
    """The label of a whole picture."""

    background: str
    light: str
    style: str
