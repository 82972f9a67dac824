"""Checkpoints by their name on the hub, from a hub on this machine: what is fetched, revisions, and what goes wrong."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from http_servers import listening
from published import published
from safetensors.torch import load_file, save_file
from single_files import single_file

from ditpipe import Renderer
from ditpipe.agent.ray_cluster import state_of
from ditpipe.prompts.errors import ModelError
from ditpipe.renderer.checkpoints.autoencoder import load_autoencoder
from ditpipe.renderer.checkpoints.files.hub import Hub, HubName, needed_files
from ditpipe.renderer.checkpoints.files.pipeline_folder import read_index
from ditpipe.renderer.checkpoints.load import load
from ditpipe.renderer.families.hunyuan_controlnet import load_control

COMMITS = {"main": "1" * 40, "v1": "2" * 40, "1" * 40: "1" * 40, "2" * 40: "2" * 40}


def sizes_in(folder: Path) -> dict[str, int]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}


class LocalHub:
    """The part of the hub's protocol that downloads use; `repositories`: folders by name, and what was fetched."""

    def __init__(self, repositories: dict[str, Path]) -> None:
        self.repositories = repositories
        self.fetched: list[str] = []
        self.app = FastAPI()
        self.app.add_api_route("/api/models/{owner}/{name}", self.info)
        self.app.add_api_route("/api/models/{owner}/{name}/revision/{revision}", self.info)
        self.app.add_api_route("/api/models/{owner}/{name}/tree/{revision}", self.tree)
        self.app.add_api_route("/{owner}/{name}/resolve/{revision}/{path:path}", self.file, methods=["GET", "HEAD"])

    def info(self, owner: str, name: str, revision: str = "main") -> Response:
        if name == "gated":
            return self._refuse(403, "GatedRepo")
        if f"{owner}/{name}" not in self.repositories:
            return self._refuse(404, "RepoNotFound")
        if revision not in COMMITS:
            return self._refuse(404, "RevisionNotFound")
        folder = self.repositories[f"{owner}/{name}"]
        siblings = [{"rfilename": path, "size": size} for path, size in sizes_in(folder).items()]
        answer: dict[str, Any] = {"id": f"{owner}/{name}", "sha": COMMITS[revision], "siblings": siblings}
        return JSONResponse(answer)

    def tree(self, owner: str, name: str, revision: str) -> Response:
        sizes = sizes_in(self.repositories[f"{owner}/{name}"])
        return JSONResponse([{"type": "file", "path": path, "size": size, "oid": ""} for path, size in sizes.items()])

    def file(self, owner: str, name: str, revision: str, path: str) -> Response:
        content = (self.repositories[f"{owner}/{name}"] / path).read_bytes()
        self.fetched.append(path)
        digest = hashlib.sha256(content).hexdigest()
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": COMMITS[revision], "Content-Length": str(len(content))}
        return Response(content, headers=headers)

    def _refuse(self, status: int, code: str) -> Response:
        return JSONResponse({"error": "no"}, status, headers={"X-Error-Code": code, "X-Error-Message": "no"})


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def server(zoo: Path, controlnet: Path) -> Iterator[tuple[LocalHub, str]]:
    repositories = {
        "owner/both": published("sd-1.5", zoo), "owner/half": published("sdxl", zoo), "owner/none": zoo,
        "owner/control": controlnet,
    }  # fmt: skip
    hub = LocalHub(repositories)
    with listening(hub.app) as address:
        yield hub, address


def test_the_smaller_variant_is_fetched_and_nothing_that_is_never_run(
    server: tuple[LocalHub, str], zoo: Path, tmp_path: Path
) -> None:
    local, address = server
    (zoo / "sd-1.5" / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    (zoo / "sd-1.5" / "v1-5-pruned.safetensors").write_bytes(b"the same once more")
    local.fetched.clear()
    folder = Hub(endpoint=address, cache=tmp_path).fetch(HubName("owner/both"))
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json",
        "text_encoder/model.fp16.safetensors", "tokenizer/merges.txt", "tokenizer/special_tokens_map.json",
        "tokenizer/tokenizer_config.json", "tokenizer/vocab.json", "unet/config.json",
        "unet/diffusion_pytorch_model.fp16.safetensors", "vae/config.json",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    }  # fmt: skip
    assert set(local.fetched) == files
    stored = load_file(folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    family = load("owner/both", device="cpu", hub=Hub(endpoint=address, cache=tmp_path))
    assert family.model.conv_in.weight.equal(stored["conv_in.weight"].float())


def test_of_a_pipeline_the_vae_alone_is_fetched_and_a_vae_alone_is_one(
    server: tuple[LocalHub, str], zoo: Path, tmp_path: Path
) -> None:
    local, address = server
    local.repositories["owner/vae"] = published("sd-1.5", zoo) / "vae"
    near, away = Hub(endpoint=address, cache=tmp_path), Hub(endpoint="http://127.0.0.1:9", cache=tmp_path)
    for name, inside in (("owner/both", "vae/"), ("owner/vae", "")):
        local.fetched.clear()
        fetched = load_autoencoder(name, hub=near)
        assert set(local.fetched) == {f"{inside}config.json", f"{inside}diffusion_pytorch_model.fp16.safetensors"}
        assert load_autoencoder(name, hub=away).digest == fetched.digest
    for name, said in (("owner/control", "not an autoencoder"), ("owner/none", "has no vae/config.json")):
        with pytest.raises(ModelError, match=said):
            load_autoencoder(name, hub=near)


def test_a_name_alone_fetches_what_configures_it(server: tuple[LocalHub, str], tmp_path: Path) -> None:
    local, address = server
    local.fetched.clear()
    renderer = Renderer("owner/half@v1", hub=Hub(endpoint=address, cache=tmp_path))
    assert renderer.checkpoint.family == "sdxl" and renderer.model == "owner/half@v1"
    assert not [path for path in local.fetched if not path.endswith(("config.json", "model_index.json"))]
    assert renderer.pipe.unet.config.cross_attention_dim == 40
    assert (tmp_path / "models--owner--half" / "refs" / "v1").read_text() == "2" * 40


def test_what_cannot_be_drawn_with_is_refused_before_its_weights_are_fetched(
    server: tuple[LocalHub, str], zoo: Path, tmp_path: Path
) -> None:
    local, address = server
    folder = local.repositories["owner/lcm"] = shutil.copytree(zoo / "sdxl", tmp_path / "lcm")
    index = json.loads((folder / "model_index.json").read_text())
    parts = {"scheduler": ["diffusers", "LCMScheduler"], "second": ["diffusers", "UNet2DConditionModel"]}
    (folder / "model_index.json").write_text(json.dumps(index | parts))
    local.fetched.clear()
    with pytest.raises(ModelError, match="the folder's scheduler is LCMScheduler"):
        load("owner/lcm", device="cpu", hub=Hub(endpoint=address, cache=tmp_path / "cache"))
    assert local.fetched and not [path for path in local.fetched if path.endswith(".safetensors")]
    assert not [path for path in needed_files({"second/config.json": 1}, index | parts) if path.startswith("second")]


def test_what_was_fetched_is_used_where_the_hub_is_out_of_reach(server: tuple[LocalHub, str], tmp_path: Path) -> None:
    away = Hub(endpoint="http://127.0.0.1:9", cache=tmp_path)
    with pytest.raises(ModelError, match="cannot be reached for owner/half: get it elsewhere with `hf download"):
        away.fetch(HubName("owner/half"))
    near = Hub(endpoint=server[1], cache=tmp_path)
    near.fetch(HubName("owner/half"), configuration=True)
    away.fetch(HubName("owner/half"), configuration=True)
    with pytest.raises(ModelError, match="cannot be reached"):  # only its configuration is here
        away.fetch(HubName("owner/half"))
    assert near.fetch(HubName("owner/half")) == away.fetch(HubName("owner/half"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("owner/gated", "gated: accept its licence at https://huggingface.co/owner/gated, then log in"),
        ("owner/nobody", "the hub has no owner/nobody, or it is private"),
        ("owner/both@v9", "owner/both has no revision 'v9'"),
        ("owner/none", "is not in diffusers' format: it has no model_index.json"),
    ],
)
def test_what_the_hub_refuses_is_one_line(
    name: str, says: str, server: tuple[LocalHub, str], tmp_path: Path
) -> None:  # fmt: skip
    with pytest.raises(ModelError, match=says) as error:
        Renderer(name, hub=Hub(endpoint=server[1], cache=tmp_path))
    assert "\n" not in str(error.value)


def test_beside_a_single_file_only_what_it_lacks_is_fetched(
    server: tuple[LocalHub, str], zoo: Path, tmp_path: Path
) -> None:
    local, address = server
    whole = load_file(single_file("sd-1.5", zoo, tmp_path / "whole.safetensors"))
    file = tmp_path / "without-vae.safetensors"
    save_file({name: value for name, value in whole.items() if not name.startswith("first_stage")}, file)
    local.fetched.clear()
    family = load(f"{file}@owner/both", device="cpu", hub=Hub(endpoint=address, cache=tmp_path))
    weights = {path for path in local.fetched if path.endswith(".safetensors")}
    assert weights == {"vae/diffusion_pytorch_model.fp16.safetensors"} and "tokenizer/vocab.json" in local.fetched
    expected = load(str(zoo / "sd-1.5"), device="cpu")
    assert family.model.conv_in.weight.equal(expected.model.conv_in.weight)
    away = Hub(endpoint="http://127.0.0.1:9", cache=tmp_path)
    assert load(f"{file}@owner/both", device="cpu", hub=away).dtype == torch.float32


def test_a_path_that_is_not_there_is_not_only_looked_for_on_the_hub(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    away = Hub(endpoint="http://127.0.0.1:9", cache=tmp_path)
    with contextlib.chdir(tmp_path), pytest.raises(ModelError, match="^there is no folder models/sdxl, and the hub"):
        Renderer("models/sdxl", hub=away)


def test_of_shards_and_variants_the_smallest_complete_set_is_needed(zoo: Path) -> None:
    folder = published("sd3", zoo)
    sizes = sizes_in(folder)
    index = read_index(folder)
    weights = [path for path in needed_files(sizes, index) if path.endswith(".safetensors")]
    assert [path for path in weights if path.startswith("text_encoder_3/")] == [
        "text_encoder_3/model.fp16-00001-of-00002.safetensors", "text_encoder_3/model.fp16-00002-of-00002.safetensors"
    ]  # fmt: skip
    assert "transformer/diffusion_pytorch_model.safetensors" in weights  # it has no other variant
    del sizes["text_encoder_3/model.fp16-00002-of-00002.safetensors"]
    assert "text_encoder_3/model-00001-of-00002.safetensors" in needed_files(sizes, index)


def test_a_controlnet_of_the_hub_is_its_configuration_and_its_weights(
    server: tuple[LocalHub, str], tmp_path: Path
) -> None:
    local, address = server
    local.fetched.clear()
    net = load_control("owner/control", dtype=torch.float32, hub=Hub(endpoint=address, cache=tmp_path))
    assert set(local.fetched) == {"config.json", "diffusion_pytorch_model.safetensors"} and not net.training
    away = Hub(endpoint="http://127.0.0.1:9", cache=tmp_path)
    assert load_control("owner/control", dtype=torch.float32, hub=away).config == net.config
    with pytest.raises(ModelError, match="'canny': the hub cannot be reached for Tencent-Hunyuan/.*published"):
        load_control("canny", dtype=torch.float32, hub=away)


def test_the_commit_that_a_name_stands_for(server: tuple[LocalHub, str], tmp_path: Path) -> None:
    near, away = Hub(endpoint=server[1], cache=tmp_path), Hub(endpoint="http://127.0.0.1:9", cache=tmp_path)
    main, tagged = HubName("owner/both"), HubName("owner/both", "v1")
    assert [near.commit(main), near.commit(tagged)] == ["1" * 40, "2" * 40]
    assert near.commit(HubName("owner/nobody")) is None and away.commit(main) is None
    near.fetch(main)
    assert [away.commit(main), away.commit(tagged)] == ["1" * 40, None]
    states = [state_of("owner/both", hub=near), state_of("owner/both@v1", hub=near), state_of("owner/both", hub=away)]
    assert states[0] != states[1] and states[0] == states[2]


def test_names_on_the_hub() -> None:
    assert HubName.parse("owner/name@refs/pr/1") == HubName("owner/name", "refs/pr/1")
    assert HubName.parse("SG161222/RealVisXL_V5.0") == HubName("SG161222/RealVisXL_V5.0")
    for other in ("name", "../up/name", "/absolute/path", "a/b/c", "~/name", "owner/", "owner/name@"):
        assert HubName.parse(other) is None
