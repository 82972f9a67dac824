"""Downloads checkpoints from the hub, by `owner/name` or `owner/name@revision`.

Only files that ditpipe reads are fetched, and of each component's weights the smallest variant. If the hub cannot be
reached, its local cache is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ....prompts.errors import ModelError, first_line
from ....prompts.outside_json import JsonObject
from .pipeline_folder import (
    files_in,
    held_in,
    listed_components,
    read_index,
    stored_variants,
    weight_file,
)

_NAME = re.compile(r"(?P<repository>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>[\w./-]+))?")
_READ = (".json", ".txt", ".model", ".jinja")  # configurations, tokenizers and their chat templates
_CONFIGURATIONS = ("config.json", "scheduler_config.json")
TIMEOUT = 20.0  # seconds until the hub counts as out of reach


@dataclass(frozen=True)
class HubName:
    """A repository on the hub at a revision: a branch, a tag or a commit; None for the main branch."""

    repository: str
    revision: str | None = None

    @classmethod
    def parse(cls, name: str) -> HubName | None:
        match = _NAME.fullmatch(name)
        return cls(match["repository"], match["revision"]) if match else None

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}" if self.revision else self.repository


class Hub:
    """endpoint: URL of another hub. cache: another cache folder. None for huggingface_hub's defaults."""

    def __init__(self, *, endpoint: str | None = None, cache: Path | None = None) -> None:
        self._endpoint, self._cache = endpoint, cache

    def fetch(self, name: HubName, *, beside: Path | None = None, configuration: bool = False) -> Path:
        """Downloads a pipeline unless it is cached, and returns its folder.

        configuration: only configuration files. beside: a single file of weights; only what it lacks is fetched.
        Raises ModelError with one line that names the remedy.
        """

        def needs(component: str, kind: str) -> bool:
            return not configuration and not (beside and held_in(beside, component, kind))

        def wanted(sizes: Mapping[str, int], folder: Path) -> list[str]:
            return needed_files(sizes, read_index(folder), needs=needs, tokenizers=not configuration)

        return self._fetch(name, "model_index.json", wanted, complete=lambda folder: not _lacking(folder, needs))

    def fetch_model(self, name: HubName) -> Path:
        """`fetch` for a repository that holds a single model, such as a ControlNet."""
        return self._fetch(
            name, "config.json", lambda sizes, _: ["config.json", *_smallest({path: path for path in sizes}, sizes)],
            complete=_has_weights,
        )  # fmt: skip

    def fetch_autoencoder(self, name: HubName) -> Path:
        """The folder of a pipeline's VAE, or of a repository that holds a single VAE; nothing else is fetched."""
        inside = "vae/"

        def wanted(sizes: Mapping[str, int], _: Path) -> list[str]:
            names = {path: path.removeprefix(inside) for path in sizes if path.startswith(inside)}
            return [f"{inside}config.json", *_smallest(names, sizes)]

        try:
            return (
                self._fetch(name, f"{inside}config.json", wanted, complete=lambda folder: _has_weights(folder / inside))
                / inside
            )
        except ModelError as error:
            try:
                return self.fetch_model(name)
            except ModelError:
                raise error from None

    def fetch_with_processor(self, name: HubName) -> Path:
        """A repository that holds a single model of transformers with its tokenizer and image processor."""
        return self._fetch(
            name, "config.json",
            lambda sizes, _: [
                *(path for path in sizes if "/" not in path and path.endswith(_READ)),
                *_smallest({path: path for path in sizes}, sizes),
            ],
            complete=_has_weights,
        )  # fmt: skip

    def is_cached(self, name: HubName) -> bool:
        """Whether the cache holds a model that `fetch_with_processor` has fetched; asks no server."""
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(name.repository, "config.json", self._cache, name.revision)
        return isinstance(path, str) and _has_weights(Path(path).parent)

    def is_pipeline_cached(self, name: HubName) -> bool:
        """Whether the cache holds all that `fetch` has fetched of a pipeline; asks no server."""
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(name.repository, "model_index.json", self._cache, name.revision)
        return isinstance(path, str) and not _lacking(Path(path).parent, lambda *_: True)

    def commit(self, name: HubName) -> str | None:
        """The commit that a name resolves to now, or for what the cache holds where the hub cannot tell; None if that
        holds nothing."""
        from huggingface_hub import HfApi, try_to_load_from_cache

        try:
            return (
                HfApi(endpoint=self._endpoint).model_info(name.repository, revision=name.revision, timeout=TIMEOUT).sha
            )
        except Exception:  # out of reach, or it refuses: who draws with the model says so
            path = try_to_load_from_cache(name.repository, "model_index.json", self._cache, name.revision)
            return Path(path).parent.name if isinstance(path, str) else None

    def _fetch(
        self, name: HubName, first: str, wanted: Callable[[Mapping[str, int], Path], list[str]], *,
        complete: Callable[[Path], bool],
    ) -> Path:  # fmt: skip
        """Fetches the file `first` and then what `wanted` selects, given sizes in bytes by path and the folder that
        holds `first`. complete: whether a cached folder has everything."""
        from huggingface_hub import HfApi
        from huggingface_hub import errors as hub_errors

        try:
            api = HfApi(endpoint=self._endpoint)
            info = api.model_info(name.repository, revision=name.revision, files_metadata=True, timeout=TIMEOUT)
            sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
            if first not in sizes:
                raise ModelError(f"{name} on the hub is not in diffusers' format: it has no {first}")
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
        except Exception as error:  # huggingface_hub does not wrap errors of its HTTP client
            return self._cached(name, error, first, complete)

    def _download(self, name: HubName, files: list[str], *, commit: str | None) -> Path:
        """Downloads these files at a commit and returns their folder. Only weights show a progress bar."""
        from huggingface_hub import snapshot_download, try_to_load_from_cache
        from tqdm import tqdm

        class Silent(tqdm):  # type: ignore[misc]
            def __init__(self, *args: object, **options: object) -> None:
                super().__init__(*args, **options | {"disable": True})

        cached = [try_to_load_from_cache(name.repository, file, self._cache, commit) for file in files]
        if all(isinstance(path, str) for path in cached):
            return Path(str(cached[0])).parents[files[0].count("/")]
        small = all(file.endswith(_READ) for file in files)
        folder = snapshot_download(
            name.repository, revision=name.revision, allow_patterns=files, etag_timeout=TIMEOUT,
            tqdm_class=Silent if small else None, endpoint=self._endpoint, cache_dir=self._cache,
        )  # fmt: skip
        return Path(folder)

    def _cached(self, name: HubName, error: Exception, first: str, complete: Callable[[Path], bool]) -> Path:
        """The cached folder if it is complete; else raises ModelError from `error`."""
        from huggingface_hub import snapshot_download

        try:
            folder = snapshot_download(
                name.repository, revision=name.revision, allow_patterns=[first], local_files_only=True,
                endpoint=self._endpoint, cache_dir=self._cache,
            )  # fmt: skip
            if complete(Path(folder)):
                return Path(folder)
        except (OSError, ModelError):  # not cached: `error` is the one to report
            pass
        revision = f" --revision {name.revision}" if name.revision else ""
        command = f"`hf download {name.repository}{revision} --local-dir FOLDER`"
        if isinstance(error, OSError) and not isinstance(error, ConnectionError) and error.errno:  # a full disk
            raise ModelError(f"cannot fetch {name} from the hub: {first_line(error)}") from error
        raise ModelError(
            f"the hub cannot be reached for {name}: get it elsewhere with {command} and give the folder"
        ) from error


def needed_files(
    sizes: Mapping[str, int], index: JsonObject, *, needs: Callable[[str, str], bool] = lambda *_: True,
    tokenizers: bool = True,
) -> list[str]:  # fmt: skip
    """Selects the files to fetch: of each listed component its configuration and its smallest variant. Pickled weights,
    other frameworks' weights and components that are never run are left out.

    sizes: bytes by path. needs: whether the weights of a component, by name and class, are wanted.
    """
    chosen = ["model_index.json"]
    for component, (_, kind) in listed_components(index).items():
        inside = {path: path.removeprefix(f"{component}/") for path in sizes if path.startswith(f"{component}/")}
        plain = [path for path, name in inside.items() if name.endswith(_READ)]
        chosen += plain if tokenizers else [path for path in plain if inside[path] in _CONFIGURATIONS]
        chosen += _smallest(inside, sizes) if needs(component, kind) else []
    return chosen


def _smallest(inside: Mapping[str, str], sizes: Mapping[str, int]) -> list[str]:
    """Paths of the smallest variant of a component's weights. inside: file names by path."""

    def files(variant: str | None) -> list[str]:
        return [path for path, name in inside.items() if (file := weight_file(name)) and file.variant == variant]

    stored = [files(variant) for variant in stored_variants(inside.values())]
    return min(stored, key=lambda paths: sum(sizes[path] for path in paths), default=[])


def _has_weights(folder: Path) -> bool:
    return bool(stored_variants(path.name for path in folder.iterdir()))


def _lacking(folder: Path, needs: Callable[[str, str], bool]) -> list[str]:
    """Components of a folder that have a model configuration but lack the weights that are needed."""
    parts = [folder / name for name, (_, kind) in listed_components(read_index(folder)).items() if needs(name, kind)]
    models = [part for part in parts if (part / "config.json").exists()]
    return [part.name for part in models if not stored_variants(files_in(part))]
