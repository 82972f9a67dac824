"""Loads the VAE of a model alone, of any family that diffusers has, and takes pictures through it and back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...prompts.errors import ModelError
from ...prompts.outside_json import parse_json, read_bounded
from ..weights.offload import is_out_of_memory
from .components import load_component, model_class
from .files.hub import Hub
from .files.pipeline_folder import weight_file
from .files.source import locate
from .load import placement
from .registry import CHECKPOINTS
from .silence import silence_loading

if TYPE_CHECKING:
    from ..request import Dtype

MULTIPLE = 32  # pixels: the largest cell of a latent in any family


@dataclass(frozen=True)
class Autoencoder:
    """vae: the model of diffusers. source: where it came from. digest: of the files of its weights."""

    vae: Any
    source: str
    digest: str

    @property
    def kind(self) -> str:
        """The name of its class, such as AutoencoderKL."""
        return type(self.vae).__name__

    @torch.inference_mode()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Pictures (n, 3, height, width) in -1…1 → the same, encoded and decoded; the mode of the encoder's
        distribution, no noise. Raises ModelError if their size is not a multiple of the VAE's."""
        returned: Tensor | None = None
        try:
            returned = self._decoded(self._latents(images))
        except RuntimeError as error:
            if is_out_of_memory(error) or not any(side % MULTIPLE for side in images.shape[-2:]):
                raise
        if returned is None or returned.shape != images.shape:
            height, width = images.shape[-2:]
            raise ModelError(
                f"{self.source}: its VAE does not return pictures of {width}×{height} pixels: give a size that is a "
                f"multiple of {MULTIPLE}"
            )
        return returned.float().clamp(-1, 1)

    def _latents(self, images: Tensor) -> Tensor:
        parameter = next(self.vae.parameters())
        x = images.to(parameter.device, parameter.dtype)
        encoded = self.vae.encode(x[:, :, None] if self._is_for_video else x)
        if hasattr(encoded, "latent_dist"):
            return encoded.latent_dist.mode()  # type: ignore[no-any-return]
        return encoded.latents if hasattr(encoded, "latents") else encoded.latent  # type: ignore[no-any-return]

    def _decoded(self, latents: Tensor) -> Tensor:
        returned: Tensor = self.vae.decode(latents).sample
        return returned[:, :, 0] if self._is_for_video else returned

    @property
    def _is_for_video(self) -> bool:
        return any(isinstance(module, nn.Conv3d) for module in self.vae.encoder.modules())


def load_autoencoder(
    name: str, *, device: str | None = None, dtype: Dtype | None = None, hub: Hub | None = None
) -> Autoencoder:
    """By the name of a model, a folder of a pipeline or of a VAE alone, or either on the hub. It computes in 32 bits
    unless a dtype is given. Of a pipeline only the VAE is fetched. Raises ModelError."""
    folder = _folder(name, hub or Hub())
    try:
        config = parse_json(read_bounded(folder / "config.json"))
        kind, upcast = str(config["_class_name"]), bool(config.get("force_upcast"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder}: it has no config.json that names a model of diffusers") from error
    cls: Any = model_class("diffusers", kind, where=folder)
    if not (hasattr(cls, "encode") and hasattr(cls, "decode")):
        raise ModelError(f"{folder} holds a {kind}, which is not an autoencoder")
    if dtype == "float16" and upcast:
        raise ModelError(f"{name}: its VAE overflows in float16, as its configuration says; give bfloat16 or float32")
    target, number_format = placement(device, dtype or "float32")
    with silence_loading():
        vae = load_component(cls, folder, number_format).to(target).eval()
    return Autoencoder(vae, name, _digest(folder))


def _folder(name: str, hub: Hub) -> Path:
    """The folder of the VAE's config.json and weights. Raises ModelError."""
    row = CHECKPOINTS.get(name)
    path = Path(row.source if row else name).expanduser()
    if path.is_dir() and (path / "config.json").exists() and not (path / "model_index.json").exists():
        return path
    source = locate(str(path) if path.is_dir() else row.source if row else name)
    if source is None:
        raise ModelError(
            f"{name!r} is no model: one of {', '.join(CHECKPOINTS)}, a folder of a pipeline or of a VAE in diffusers' "
            "format, or a name on the hub (owner/name)"
        )
    if source.file:
        raise ModelError(f"{name}: single files are not read here; give the folder of a pipeline, or of its VAE")
    if source.folder:
        return source.folder / "vae"
    assert source.hub
    return hub.fetch_autoencoder(source.hub)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in sorted(path for path in folder.iterdir() if weight_file(path.name)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]
