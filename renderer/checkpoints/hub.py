"""Checkpoints on the hub, by `owner/name` or `owner/name@revision`: only the files that ditpipe reads are fetched.

Of each component's weights the smallest variant is. What is in the hub's cache is used where the hub is out of reach.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...prompts.errors import ModelError, first_line
from .pipeline_folder import (
    OPTIONAL,
    files_in,
    in_file,
    listed_components,
    read_index,
    stored_variants,
    weight_file,
    weight_names,
)

_NAME = re.compile(r"(?P<repository>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>[\w./-]+))?")
_READ = (".json", ".txt", ".model")  # configurations and tokenizers
_CONFIGURATIONS = ("config.json", "scheduler_config.json")
TIMEOUT = 20.0  # seconds until the hub counts as out of reach


@dataclass(frozen=True)
class HubName:
    """A repository on the hub, as of a revision (a branch, a tag or a commit; None: the main branch)."""

    repository: str
    revision: str | None = None

    @classmethod
    def parse(cls, name: str) -> HubName | None:
        match = _NAME.fullmatch(name)
        return cls(match["repository"], match["revision"]) if match else None

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}" if self.revision else self.repository


class Hub:
    """endpoint, cache: another hub and another folder than huggingface_hub's own."""

    def __init__(self, *, endpoint: str | None = None, cache: Path | None = None) -> None:
        self._options: dict[str, Any] = {"endpoint": endpoint, "cache_dir": cache}

    def fetch(self, name: HubName, *, beside: Path | None = None, configuration: bool = False) -> Path:
        """A folder with a repository's pipeline, downloaded where it is not in the cache; only what configures it, or
        beside a single file what that lacks. Raises ModelError, one line that says what to do."""

        def needs(component: str, kind: str) -> bool:
            held = beside and (component in OPTIONAL or in_file(weight_names(beside), component, kind))
            return not configuration and not held

        def wanted(sizes: Mapping[str, int], folder: Path) -> list[str]:
            return needed_files(sizes, read_index(folder), needs=needs, tokenizers=not configuration)

        return self._fetch(name, "model_index.json", wanted, complete=lambda folder: not _lacking(folder, needs))

    def fetch_model(self, name: HubName) -> Path:
        """The same of a repository that holds a single model, as a ControlNet's does."""
        return self._fetch(
            name, "config.json", lambda sizes, _: ["config.json", *_smallest({path: path for path in sizes}, sizes)],
            complete=lambda folder: bool(stored_variants(path.name for path in folder.iterdir())),
        )  # fmt: skip

    def _fetch(
        self, name: HubName, first: str, wanted: Callable[[Mapping[str, int], Path], list[str]], *,
        complete: Callable[[Path], bool],
    ) -> Path:  # fmt: skip
        """A folder with `first`, which says what it is, and the files that are `wanted` of their bytes by path and the
        folder with the first. complete: whether a folder of the cache has them."""
        from huggingface_hub import HfApi
        from huggingface_hub import errors as hub_errors

        try:
            api = HfApi(endpoint=self._options["endpoint"])
            info = api.model_info(name.repository, revision=name.revision, files_metadata=True, timeout=TIMEOUT)
            sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
            if first not in sizes:
                raise ModelError(f"{name} on the hub is nothing in diffusers' format: it has no {first}")
            folder = self._download(name, [first], commit=info.sha)
            return self._download(name, wanted(sizes, folder), commit=info.sha)
        except ModelError:
            raise
        except hub_errors.GatedRepoError as error:
            raise ModelError(
                f"{name.repository} is gated: accept its licence at https://huggingface.co/{name.repository}, "
                "then log in with `hf auth login`"
            ) from error
        except hub_errors.RevisionNotFoundError as error:
            raise ModelError(f"{name.repository} has no revision {name.revision!r} on the hub") from error
        except hub_errors.RepositoryNotFoundError as error:
            raise ModelError(f"the hub has no {name.repository}, or it is private: then `hf auth login`") from error
        except Exception as error:  # huggingface_hub lets through whatever its HTTP client raises
            return self._cached(name, error, first, complete)

    def _download(self, name: HubName, files: list[str], *, commit: str | None) -> Path:
        """The folder with these files as of a commit. Weights come with progress bars, what is small without."""
        from huggingface_hub import snapshot_download, try_to_load_from_cache
        from tqdm import tqdm

        class Silent(tqdm):  # type: ignore[misc]
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **options | {"disable": True})

        cache = self._options["cache_dir"]
        here = [try_to_load_from_cache(name.repository, file, cache_dir=cache, revision=commit) for file in files]
        if all(isinstance(path, str) for path in here):
            return Path(str(here[0])).parents[files[0].count("/")]
        small = all(file.endswith(_READ) for file in files)
        folder = snapshot_download(
            name.repository, revision=name.revision, allow_patterns=files, etag_timeout=TIMEOUT,
            tqdm_class=Silent if small else None, **self._options,
        )  # fmt: skip
        return Path(folder)

    def _cached(self, name: HubName, error: Exception, first: str, complete: Callable[[Path], bool]) -> Path:
        """The folder in the cache, if it is complete. Raises ModelError from `error`."""
        from huggingface_hub import snapshot_download

        try:
            index = {"allow_patterns": [first], "local_files_only": True, **self._options}
            folder = Path(snapshot_download(name.repository, revision=name.revision, **index))
            if complete(folder):
                return folder
        except (OSError, ModelError):  # not there; the error that led here says more
            pass
        revision = f" --revision {name.revision}" if name.revision else ""
        command = f"`hf download {name.repository}{revision} --local-dir FOLDER`"
        if isinstance(error, OSError) and not isinstance(error, ConnectionError) and error.errno:  # a full disk
            raise ModelError(f"cannot fetch {name} from the hub: {first_line(error)}") from error
        raise ModelError(
            f"the hub cannot be reached for {name}: get it elsewhere with {command} and give the folder"
        ) from error


def needed_files(
    sizes: Mapping[str, int], index: Mapping[str, Any], *, needs: Callable[[str, str], bool] = lambda *_: True,
    tokenizers: bool = True,
) -> list[str]:  # fmt: skip
    """Which of a repository's files (bytes by path) are read: of each listed component its configuration and, of its
    variants, the smallest. Neither pickled weights, nor those of other frameworks, nor what is never run.

    needs: whether the weights of a component (its name and class) are wanted.
    """
    chosen = ["model_index.json"]
    for component, (_, kind) in listed_components(index).items():
        inside = {path: path.removeprefix(f"{component}/") for path in sizes if path.startswith(f"{component}/")}
        plain = [path for path, name in inside.items() if name.endswith(_READ)]
        chosen += plain if tokenizers else [path for path in plain if inside[path] in _CONFIGURATIONS]
        chosen += _smallest(inside, sizes) if needs(component, kind) else []
    return chosen


def _smallest(inside: Mapping[str, str], sizes: Mapping[str, int]) -> list[str]:
    """The paths of a component's weights in their smallest variant. inside: its files' names by path."""

    def files(variant: str | None) -> list[str]:
        return [path for path, name in inside.items() if (file := weight_file(name)) and file.variant == variant]

    stored = [files(variant) for variant in stored_variants(inside.values())]
    return min(stored, key=lambda paths: sum(sizes[path] for path in paths), default=[])


def _lacking(folder: Path, needs: Callable[[str, str], bool]) -> list[str]:
    """The components of a pipeline's folder that have a model's configuration, and not the weights that it needs."""
    parts = [folder / name for name, (_, kind) in listed_components(read_index(folder)).items() if needs(name, kind)]
    models = [part for part in parts if (part / "config.json").exists()]
    return [part.name for part in models if not stored_variants(files_in(part))]
