"""Writes held-out compositions, on which no stage of the training was fitted, as pictures into a folder.

python -m benchmarks.compositions FOLDER --pictures 1000          # needs the training extra (it composes them)
ditpipe evaluate reconstruction --images FOLDER --size 256        # a figure of docs/reconstruction.md
"""

import argparse
from pathlib import Path

from PIL import Image
from rich.progress import track

from training.autoencoder import pictures
from training.world import SIZE

SEED = 77  # used by no stage of the training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=1000)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    images = pictures(args.pictures, SEED, SIZE).permute(0, 2, 3, 1).numpy()
    for number, image in enumerate(track(images, "compositions")):
        Image.fromarray(image).save(args.folder / f"{number:04}.png")


if __name__ == "__main__":
    main()
