"""`Flux2Latents`: latents of FLUX.2's VAE, which are normalised by its batch norm over 2×2 cells of 8×8 pixels."""

from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from ..diffusers_types import Network
from .base import Family, with_tiles


class Flux2Latents(Family):
    """The latents of most families are the packed cells: (rows, 4·channels, h, w), a cell of 16×16 pixels."""

    cell = 16
    tile = 32

    @property
    def patch(self) -> int:
        return 1

    def packed(self, latents: Tensor) -> Tensor:
        """The family's latents as the batch norm takes them, four cells in the channels."""
        return latents

    def unpacked(self, packed: Tensor) -> Tensor:
        """The inverse of `packed`."""
        return packed

    def cells(self, packed: Tensor) -> Tensor:
        """The VAE's cells of 8×8 pixels, (rows, channels, 2h, 2w). By default packed as (channel, row, column)."""
        return pixel_shuffle(packed, 2)

    def of_cells(self, cells: Tensor) -> Tensor:
        """The inverse of `cells`."""
        return pixel_unshuffle(cells, 2)

    def pixels(self, latents: Tensor, *, tiled: bool = False) -> Tensor:
        mean, deviation = self._statistics
        cells = self.cells(self.packed(latents).to(mean) * deviation + mean)
        large = tiled and max(latents.shape[-2:]) > self.tile
        return (self._tiling().tiled_decode if large else self.pipe.vae.decode)(cells).sample  # type: ignore[no-any-return]

    def encode_image(self, image: Image.Image) -> Tensor:
        mean, deviation = self._statistics
        pixels = VaeImageProcessor(vae_scale_factor=16).preprocess(image).to(self.device, mean.dtype)
        packed = self.of_cells(self.pipe.vae.encode(pixels).latent_dist.mode())
        return self.unpacked((packed - mean) / deviation).float()

    @property
    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the packed latents, by channel."""
        norm = self.pipe.vae.bn
        deviation = (norm.running_var + self.pipe.vae.config.batch_norm_eps).sqrt()
        return norm.running_mean[:, None, None], deviation[:, None, None]

    def _tiling(self) -> Network:
        side = self.tile * self.cell
        return with_tiles(self.pipe.vae, tile_latent_min_size=side // 8, tile_sample_min_size=side)
