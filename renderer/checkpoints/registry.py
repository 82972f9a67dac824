"""The registry: families with their adapters, and checkpoints with short names. Loads no torch.

A new family is a row of FAMILIES and a file in `renderer/families/`; a new checkpoint is a row of CHECKPOINTS.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ...prompts.errors import ModelError
from ...prompts.layout.token_owners import TOKEN
from ...prompts.wording import STICKER_WORDS, PromptStyle
from .hub import Hub
from .pipeline_folder import read_index
from .published_defaults import Defaults, published_defaults
from .source import Source, locate
from .supported import check_folder

POCKET = Path(__file__).parent.parent / "pocket"
TRAINED_HERE = "training.json"  # in the folder of a checkpoint that training/ made


@dataclass(frozen=True)
class FamilyRow:
    """A family of models: its pipelines in diffusers, and its adapter as module:class in `renderer/families/`.

    size, steps, guidance_scale: defaults of checkpoints whose configuration has none. style: how they are prompted.
    flow: rectified flows; equals the adapter's `flow`. token: side of an image token in pixels. reader: the folder of
    the tokenizer whose encoder reads most of a prompt.
    """

    name: str
    adapter: str
    pipelines: tuple[str, ...]
    size: int
    steps: int
    guidance_scale: float
    regions: str
    style: PromptStyle
    flow: bool = False
    token: int = TOKEN
    reader: str = "tokenizer"


# What pictures of these families are usually drawn without, where a plan names nothing.
_USUAL_NEGATIVE = "low quality, blurry, deformed, extra limbs, watermark"

FAMILIES = {
    row.name: row
    for row in (
        FamilyRow("hunyuan", "hunyuan:Hunyuan", ("HunyuanDiTPipeline",), 1024, 30, 6.0, "cross-attention",
                  PromptStyle(languages=("English", "Chinese"), tokens={"BERT": 77, "mT5": 256},
                              negative=_USUAL_NEGATIVE), reader="tokenizer_2"),
        FamilyRow("pixart", "pixart:PixArt", ("PixArtAlphaPipeline", "PixArtSigmaPipeline"), 1024, 20, 4.5,
                  "cross-attention", PromptStyle(tokens={"T5": 120})),
        FamilyRow("sana", "sana:Sana", ("SanaPipeline",), 1024, 20, 4.5, "cross-attention",
                  PromptStyle(languages=("English", "Chinese"), tokens={"Gemma": 300}), flow=True, token=32),
        FamilyRow("sd", "stable_diffusion:StableDiffusion", ("StableDiffusionPipeline",), 512, 30, 7.5,
                  "cross-attention at every resolution",
                  PromptStyle(manner="tags", tokens={"CLIP": 77}, negative=_USUAL_NEGATIVE)),
        FamilyRow("sdxl", "stable_diffusion:StableDiffusionXL", ("StableDiffusionXLPipeline",), 1024, 30, 5.0,
                  "cross-attention at every resolution",
                  PromptStyle(manner="tags", tokens={"CLIP": 77}, negative=_USUAL_NEGATIVE)),
        FamilyRow("sd3", "stable_diffusion_3:StableDiffusion3", ("StableDiffusion3Pipeline",), 1024, 28, 7.0,
                  "a mask on the joint sequence", PromptStyle(tokens={"CLIP": 77, "T5": 256}, lettering=True),
                  flow=True, reader="tokenizer_3"),
        FamilyRow("flux", "flux:Flux", ("FluxPipeline",), 1024, 28, 3.5, "a mask on the joint sequence",
                  PromptStyle(tokens={"T5": 256}, lettering=True, negatives=False), flow=True, reader="tokenizer_2"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Checkpoint:
    """A row of the table that `ditpipe models` prints. `memory_gib`: weights in half precision.

    size: side of the training images in pixels. trained_here: by this project, and so spoken to as its training was:
    in sticker words, with the places of regions in a scene prompt that names none (`prompt_style.with_layout`), and
    with the depth schedule that was measured best on it. reads: tokens of a prompt that the encoder reads that reads
    most, where that is not the family's number; 0: it is.
    """

    name: str
    source: str
    size: int
    steps: int
    guidance_scale: float
    memory_gib: float
    licence: str
    note: str
    family: str = "hunyuan"
    trained_here: bool = False
    reads: int = 0

    @property
    def style(self) -> PromptStyle:
        """How it is spoken to."""
        style = STICKER_WORDS if self.trained_here else FAMILIES[self.family].style
        encoder = max(style.tokens, key=style.tokens.__getitem__)
        return replace(style, tokens={**style.tokens, encoder: self.reads}) if self.reads else style

    @property
    def depth(self) -> str:
        """The depth schedule that suits it. Of published models none was measured: the paper's own, region prompts in
        every block."""
        return "scene-then-regions" if self.trained_here else "regions"

    @property
    def token(self) -> int:
        """Pixels a side of an image token."""
        return FAMILIES[self.family].token


_HUB = "downloaded from the hub on first use; GPU"
_GATED = "gated: accept its licence on the hub first; GPU"
CHECKPOINTS = {
    row.name: row
    for row in (
        Checkpoint("pocket", str(POCKET), 128, 20, 4.0, 0.04, "Apache-2.0", "ships with ditpipe; CPU",
                   trained_here=True),
        Checkpoint("hunyuan-dit", "Tencent-Hunyuan/HunyuanDiT-v1.2-Diffusers", 1024, 30, 6.0, 6.7,
                   "Tencent Hunyuan Community", _HUB),
        Checkpoint("pixart-alpha", "PixArt-alpha/PixArt-XL-2-1024-MS", 1024, 20, 4.5, 10.2, "OpenRAIL++", _HUB,
                   "pixart"),
        Checkpoint("pixart-sigma", "PixArt-alpha/PixArt-Sigma-XL-2-1024-MS", 1024, 20, 4.5, 10.2, "OpenRAIL++", _HUB,
                   "pixart", reads=300),
        Checkpoint("sana", "Efficient-Large-Model/Sana_1600M_1024px_diffusers", 1024, 20, 4.5, 8.5,
                   "NVIDIA NSCL v2-custom; Gemma terms", _HUB, "sana"),
        Checkpoint("sd-1.5", "stable-diffusion-v1-5/stable-diffusion-v1-5", 512, 30, 7.5, 2.0, "CreativeML OpenRAIL-M",
                   _HUB, "sd"),
        Checkpoint("sdxl", "stabilityai/stable-diffusion-xl-base-1.0", 1024, 30, 5.0, 6.5, "CreativeML OpenRAIL++-M",
                   _HUB, "sdxl"),
        Checkpoint("sd-3.5-medium", "stabilityai/stable-diffusion-3.5-medium", 1024, 28, 4.5, 14.7,
                   "Stability AI Community", _GATED, "sd3"),
        Checkpoint("flux-schnell", "black-forest-labs/FLUX.1-schnell", 1024, 4, 1.0, 31.4, "Apache-2.0", _GATED,
                   "flux"),
        Checkpoint("flux-dev", "black-forest-labs/FLUX.1-dev", 1024, 28, 3.5, 31.4, "FLUX.1 non-commercial", _GATED,
                   "flux", reads=512),
    )
}  # fmt: skip


def checkpoint(name: str, hub: Hub | None = None) -> Checkpoint:
    """The checkpoint of a registered name, or of any other name that `source` resolves. Raises ModelError that lists
    the names, or the reason why its scheduler or VAE is not supported."""
    if name in CHECKPOINTS:
        return CHECKPOINTS[name]
    source = _source(name)
    folder = source.configuration(hub)
    row = FAMILIES[_family_in(folder)]
    check_folder(folder, read_index(folder), flow=row.flow)
    usual = Defaults(row.size, row.steps, row.guidance_scale)
    given = published_defaults(folder, source.called, family=row.name, usual=usual)
    return Checkpoint(
        name, source.name, given.size, given.steps, given.guidance_scale, 0.0, "", source.note, row.name,
        trained_here=(folder / TRAINED_HERE).exists(), reads=given.reads,
    )  # fmt: skip


def absolute_name(name: str) -> str:
    """The name with absolute paths. Raises ModelError if it names no model."""
    return name if name in CHECKPOINTS else _source(name).name


def _source(name: str) -> Source:
    if source := locate(name):
        return source
    raise ModelError(
        f"unknown model {name!r}: give one of {', '.join(CHECKPOINTS)}, a folder in diffusers' format, a name on the "
        "hub (owner/name[@revision]) or a .safetensors file"
    )


def _family_in(folder: Path) -> str:
    """The family of a folder's pipeline. Raises ModelError that lists the supported pipelines."""
    index = read_index(folder)
    pipeline = index["_class_name"]
    families = {name: row.name for row in FAMILIES.values() for name in row.pipelines}
    if pipeline not in families:
        raise ModelError(f"{folder} holds a {pipeline}; ditpipe draws with {', '.join(families)}")
    for part, origin in index.items():
        # For such a class transformers offers, at a terminal, to run code from the folder.
        if isinstance(origin, list) and re.match("Auto(?!encoder)", str(origin[-1:] and origin[-1])):
            raise ModelError(f"{folder}: its {part} is an {origin[-1]}, which may run code; name its class instead")
    return families[pipeline]
