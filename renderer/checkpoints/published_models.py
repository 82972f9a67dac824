"""The tables of published models: families with their adapters, and checkpoints with short names. Loads no torch.

A new family is a row of FAMILIES and a file in `renderer/families/`; see docs/new-family.md; a new checkpoint is a row
of CHECKPOINTS.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from ...prompts.layout.token_owners import TOKEN
from ...prompts.wording import STICKER_WORDS, PromptStyle
from .published_defaults import Variant

POCKET = Path(__file__).parent.parent / "pocket"
TRAINED_HERE = "training.json"  # in the folder of a checkpoint that training/ made
TRAINED_TOKENS = 8  # a side of its training pictures
CONTROLNETS = {  # published ones by their short names
    name: f"Tencent-Hunyuan/HunyuanDiT-v1.2-ControlNet-Diffusers-{name.capitalize()}"
    for name in ("canny", "depth", "pose")
}


@dataclass(frozen=True)
class FamilyRow:
    """A family of models: its pipelines in diffusers, and its adapter as module:class in `renderer/families/`.

    size, steps, guidance_scale: defaults of checkpoints whose configuration has none. regions: what carries a region's
    prompt. style: how they are prompted. flow: rectified flows; normalised: latents are normalised by channel; partial:
    an edit computes the redrawn tokens alone; controlled: they take ControlNets; weighted: weights of words act; all as
    the adapter says. token: side of an image token in pixels. reader: the folder of the tokenizer whose encoder has the
    highest token limit. denoiser: the folder of the denoising network. variants: models of the family with other
    defaults, the later ones winning.
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
    normalised: bool = False
    partial: bool = False
    controlled: bool = False
    weighted: bool = False
    token: int = TOKEN
    reader: str = "tokenizer"
    denoiser: str = "transformer"
    variants: tuple[Variant, ...] = ()


# What pictures of these families are usually drawn without, where a plan names nothing.
_USUAL_NEGATIVE = "low quality, blurry, deformed, extra limbs, watermark"
_BOTH = ("English", "Chinese")
_CROSS, _JOINT, _CAPTION = "cross-attention", "joint attention", "caption"

FAMILIES = {
    row.name: row
    for row in (
        FamilyRow("hunyuan", "hunyuan:Hunyuan", ("HunyuanDiTPipeline",), 1024, 30, 6.0, _CROSS,
                  PromptStyle(languages=_BOTH, tokens={"BERT": 77, "mT5": 256}, negative=_USUAL_NEGATIVE),
                  partial=True, controlled=True, weighted=True, reader="tokenizer_2",
                  variants=(Variant(called="distilled", steps=25),)),
        FamilyRow("pixart", "pixart:PixArt", ("PixArtAlphaPipeline", "PixArtSigmaPipeline"), 1024, 20, 4.5, _CROSS,
                  PromptStyle(tokens={"T5": 120}), weighted=True,
                  variants=(Variant(pipeline={"_class_name": "PixArtSigmaPipeline"}, reads=300),)),
        FamilyRow("sana", "sana:Sana", ("SanaPipeline",), 1024, 20, 4.5, _CROSS,
                  PromptStyle(languages=_BOTH, tokens={"Gemma": 300}), flow=True, token=32),
        FamilyRow("sd", "stable_diffusion:StableDiffusion", ("StableDiffusionPipeline",), 512, 30, 7.5, _CROSS,
                  PromptStyle(manner="tags", tokens={"CLIP": 77}, negative=_USUAL_NEGATIVE), weighted=True,
                  denoiser="unet"),
        FamilyRow("sdxl", "stable_diffusion:StableDiffusionXL", ("StableDiffusionXLPipeline",), 1024, 30, 5.0, _CROSS,
                  PromptStyle(manner="tags", tokens={"CLIP": 77}, negative=_USUAL_NEGATIVE), weighted=True,
                  denoiser="unet"),
        FamilyRow("sd3", "joint.stable_diffusion_3:StableDiffusion3", ("StableDiffusion3Pipeline",), 1024, 28, 7.0,
                  _JOINT, PromptStyle(tokens={"CLIP": 77, "T5": 256}, lettering=True), flow=True, weighted=True,
                  reader="tokenizer_3",
                  variants=(Variant(denoiser={"qk_norm": "rms_norm"}, guidance_scale=4.5),)),  # 3.5
        FamilyRow("flux", "joint.flux:Flux", ("FluxPipeline",), 1024, 28, 3.5, _JOINT,
                  PromptStyle(tokens={"T5": 256}, lettering=True, negatives=False), flow=True, weighted=True,
                  reader="tokenizer_2",
                  variants=(Variant(denoiser={"guidance_embeds": True}, reads=512),
                            Variant(denoiser={"guidance_embeds": False}, steps=4, guidance_scale=1.0))),  # schnell
        FamilyRow("qwen-image", "joint.qwen_image:QwenImage", ("QwenImagePipeline",), 1328, 50, 4.0, _JOINT,
                  PromptStyle(languages=_BOTH, tokens={"Qwen2.5-VL": 1024}, lettering=True),
                  flow=True, normalised=True),
        FamilyRow("flux.2", "joint.flux_2:Flux2", ("Flux2KleinPipeline",), 1024, 50, 4.0, _JOINT,
                  PromptStyle(tokens={"Qwen 3": 509}, lettering=True), flow=True,  # 512 with the chat template
                  variants=(Variant(pipeline={"is_distilled": True}, steps=4, guidance_scale=1.0, negatives=False),)),
        FamilyRow("flux.2-dev", "joint.flux_2:Flux2Dev", ("Flux2Pipeline",), 1024, 50, 4.0, _JOINT,
                  PromptStyle(tokens={"Mistral 3": 470}, lettering=True, negatives=False), flow=True),  # of 512
        FamilyRow("z-image", "joint.z_image:ZImage", ("ZImagePipeline",), 1024, 50, 5.0, _JOINT,
                  PromptStyle(languages=_BOTH, tokens={"Qwen 3": 509}, lettering=True), flow=True,
                  variants=(Variant(called="turbo", steps=8, guidance_scale=1.0, negatives=False),)),
        FamilyRow("chroma", "joint.chroma:Chroma", ("ChromaPipeline",), 1024, 35, 5.0, _JOINT,
                  PromptStyle(tokens={"T5": 512}, lettering=True, negative=_USUAL_NEGATIVE), flow=True, weighted=True),
        FamilyRow("lumina-2", "joint.lumina_2:Lumina2", ("Lumina2Pipeline",), 1024, 50, 4.0, _JOINT,
                  PromptStyle(languages=_BOTH, tokens={"Gemma 2": 220}, lettering=True), flow=True),  # 256 with its own
        FamilyRow("hunyuan-image", "joint.hunyuan_image:HunyuanImage", ("HunyuanImagePipeline",), 2048, 50, 3.5, _JOINT,
                  PromptStyle(languages=_BOTH, tokens={"Qwen2.5-VL": 1000}, lettering=True), flow=True, token=32),
        FamilyRow("ideogram-4", "caption.ideogram_4:Ideogram4", ("Ideogram4Pipeline",), 1024, 48, 7.0, _CAPTION,
                  PromptStyle(tokens={"Qwen3-VL": 2048}, lettering=True, palette=True, negatives=False,
                              caption="ideogram4"), flow=True),
        FamilyRow("fibo-2", "caption.fibo_2:Fibo2", ("BriaFibo2Pipeline",), 1024, 30, 5.0, _CAPTION,
                  PromptStyle(tokens={"Qwen3-VL": 4096}, lettering=True, palette=True, caption="fibo"), flow=True,
                  reader="processor",
                  variants=(Variant(called="turbo", steps=4, guidance_scale=1.0, negatives=False),)),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Checkpoint:
    """A row of the table that `ditpipe models` prints.

    size: side of the training images in pixels. memory_gib: weights in half precision, 0: unknown. licence: empty:
    unknown. card: where the publisher says so. trained_here: by this project, and therefore prompted as it was
    trained: in sticker words, with the places of regions in a scene prompt that names none
    (`prompt_style.with_layout`), and with the prompt schedule that was measured best on it. reads: the highest token
    limit of its encoders, if it differs from the family's; 0: it does not. negatives: it takes negative prompts,
    if its family does.
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
    negatives: bool = True
    card: str = ""

    @property
    def style(self) -> PromptStyle:
        """How it is prompted."""
        style = STICKER_WORDS if self.trained_here else FAMILIES[self.family].style
        style = style if self.negatives else replace(style, negatives=False)
        encoder = max(style.tokens, key=style.tokens.__getitem__)
        return replace(style, tokens={**style.tokens, encoder: self.reads}) if self.reads else style

    @property
    def prompt_schedule(self) -> str:
        """Name of its default prompt schedule. Published models were not measured: they get the paper's, region prompts
        in every block."""
        return "scene-then-regions" if self.trained_here else "regions"

    @property
    def token(self) -> int:
        """Side of an image token in pixels."""
        return self.size // TRAINED_TOKENS if self.trained_here else FAMILIES[self.family].token


_HUB = "downloaded from the hub on first use; GPU"
_NO_SIZE = "size: not found on a page of its publisher's"
_GATED = "gated: accept its licence on the hub first; GPU"
# Licences and sizes of the newer ones were read on the pages in `card`; what no page of the publisher's said is left
# empty, and the note says so.
_FLUX_2 = "https://github.com/black-forest-labs/flux2"
CHECKPOINTS = {
    row.name: row
    for row in (
        Checkpoint("pocket", str(POCKET), 256, 20, 4.0, 0.04, "Apache-2.0", "ships with ditpipe; CPU",
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
        Checkpoint("qwen-image", "Qwen/Qwen-Image", 1328, 50, 4.0, 53.7, "Apache-2.0", _HUB, "qwen-image",
                   card="https://huggingface.co/Qwen/Qwen-Image/tree/main"),
        Checkpoint("qwen-image-2512", "Qwen/Qwen-Image-2512", 1328, 50, 4.0, 0, "Apache-2.0",
                   f"{_HUB}; {_NO_SIZE}", "qwen-image", card="https://github.com/QwenLM/Qwen-Image"),
        # 7.75 GB of flux-2-klein-4b.safetensors and 8.05 GB of text_encoder/ on its page, and FLUX.2's VAE.
        Checkpoint("flux.2-klein", "black-forest-labs/FLUX.2-klein-4B", 1024, 4, 1.0, 14.9, "Apache-2.0", _HUB,
                   "flux.2", negatives=False, card=_FLUX_2),
        # The same classes and widths as the distilled one.
        Checkpoint("flux.2-klein-base", "black-forest-labs/FLUX.2-klein-base-4B", 1024, 50, 4.0, 14.9, "Apache-2.0",
                   _HUB, "flux.2", card=_FLUX_2),
        # 32B parameters, as on that page, and the 24B of Mistral Small, its text encoder.
        Checkpoint("flux.2-dev", "black-forest-labs/FLUX.2-dev", 1024, 50, 4.0, 104, "FLUX non-commercial", _GATED,
                   "flux.2-dev", card=_FLUX_2),
        # 8.05 GB of text_encoder/ and 168 MB of vae/ on its pages; its transformer/ is in 32 bits there, in 16 it has
        # the 12.3 GB of Comfy-Org/z_image_turbo's file. The other one's file, in Comfy-Org/z_image, is as large.
        Checkpoint("z-image-turbo", "Tongyi-MAI/Z-Image-Turbo", 1024, 8, 1.0, 19.1, "Apache-2.0", _HUB, "z-image",
                   negatives=False, card="https://huggingface.co/Tongyi-MAI/Z-Image-Turbo"),
        Checkpoint("z-image", "Tongyi-MAI/Z-Image", 1024, 50, 5.0, 19.1, "Apache-2.0", _HUB, "z-image",
                   card="https://huggingface.co/Tongyi-MAI/Z-Image"),
        # 17.8 GB of transformer/ and 9.52 GB of text_encoder/ on the pages of Chroma1-Base, which has its classes and
        # widths, and FLUX.1's VAE.
        Checkpoint("chroma", "lodestones/Chroma1-HD", 1024, 35, 5.0, 25.6, "Apache-2.0", _HUB, "chroma",
                   card="https://huggingface.co/lodestones/Chroma1-HD"),
        Checkpoint("lumina-2", "Alpha-VLLM/Lumina-Image-2.0", 1024, 50, 4.0, 9.9, "Apache-2.0", _HUB, "lumina-2",
                   card="https://huggingface.co/Alpha-VLLM/Lumina-Image-2.0/tree/main"),
        # 53.1 GB on the page of the folder.
        Checkpoint("hunyuan-image", "hunyuanvideo-community/HunyuanImage-2.1-Diffusers", 2048, 50, 3.5, 49.5,
                   "Tencent Hunyuan Community", _HUB, "hunyuan-image",
                   card="https://huggingface.co/tencent/HunyuanImage-2.1"),
        # Its own page could not be read. The licence is `ideogram-4-non-commercial` on the publisher's card of the fp8
        # edition, as a mirror has it; redistributors call it the Ideogram Non-Commercial Model Agreement.
        Checkpoint("ideogram-4", "ideogram-ai/ideogram-4-nf4-diffusers", 1024, 48, 7.0, 0, "Ideogram 4 non-commercial",
                   f"{_GATED}; in 4 bits: pip install bitsandbytes; {_NO_SIZE}", "ideogram-4",
                   card="https://huggingface.co/ideogram-ai/ideogram-4-fp8"),
        Checkpoint("fibo-2", "briaai/Fibo-2.0-dev", 1024, 30, 5.0, 0, "",
                   f"{_HUB}; licence and size: not found on a page of its publisher's", "fibo-2"),
    )
}  # fmt: skip
