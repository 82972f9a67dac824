"""deploy/kuberay.yaml: what can be checked without Kubernetes."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from kubernetes_validate import ValidationError, validate
from waiting import PATIENCE

from ditpipe.agent.cli.main import app
from ditpipe.tools.watching.routes import PROBES

DEPLOY = Path(__file__).parent.parent / "deploy"

# What KubeRay requires of a cluster, by the schema of its CRD. What is Kubernetes' own is checked by its schemas.
REQUIRED = [
    "spec.rayVersion", "spec.headGroupSpec.rayStartParams", "spec.headGroupSpec.template.spec.containers",
    "spec.workerGroupSpecs.0.groupName", "spec.workerGroupSpecs.0.minReplicas", "spec.workerGroupSpecs.0.maxReplicas",
    "spec.workerGroupSpecs.0.template.spec.containers",
]  # fmt: skip
KUBERNETES = "1.33"  # whose schemas are used


def manifests() -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text())}


def at(fields: Any, path: str) -> Any:
    for part in path.split("."):
        fields = fields[int(part)] if part.isdigit() else fields[part]
    return fields


def pods() -> dict[str, Any]:
    """The specification of each pod by the name of its container."""
    cluster, front = manifests()["RayCluster"], manifests()["Deployment"]
    specs = [at(cluster, "spec.headGroupSpec.template.spec"), at(front, "spec.template.spec")]
    specs += [group["template"]["spec"] for group in cluster["spec"]["workerGroupSpecs"]]
    return {spec["containers"][0]["name"]: spec for spec in specs}


def test_manifests_and_pods_are_valid_by_the_schemas_of_kubernetes() -> None:
    kinds = set()
    for kind, manifest in manifests().items():
        kinds.add(kind)
        if kind != "RayCluster":
            validate(manifest, KUBERNETES, strict=True)
            continue
        for path in REQUIRED:
            assert at(manifest, path) not in (None, "", [], {}) or path.endswith("rayStartParams"), path
        for group in (manifest["spec"]["headGroupSpec"], *manifest["spec"]["workerGroupSpecs"]):
            pod = {
                "apiVersion": "v1",
                "kind": "PodTemplate",
                "metadata": {"name": "pod"},
                "template": group["template"],
            }
            validate(pod, KUBERNETES, strict=True)
            pod["template"]["spec"]["containers"][0]["imagee"] = ""
            with pytest.raises(ValidationError):
                validate(pod, KUBERNETES, strict=True)
    assert kinds == {"RayCluster", "Deployment", "PersistentVolumeClaim", "Service"}


def test_the_manifests_fit_together() -> None:
    found = manifests()
    labels = at(found["Deployment"], "spec.template.metadata.labels")
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels == found["Service"]["spec"]["selector"]
    assert set(pods()) == {"ray-head", "ray-worker", "front"}
    for spec in pods().values():
        (container,) = spec["containers"]
        assert container["image"] == "ditpipe:cuda"
        given = {one["name"]: one for one in container["env"]}
        assert given["RAY_AUTH_MODE"]["value"] == "token"
        assert at(given["RAY_AUTH_TOKEN"], "valueFrom.secretKeyRef") == {"name": "ditpipe", "key": "ray"}
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        assert {mount["name"] for mount in container.get("volumeMounts", [])} == volumes
    front = pods()["front"]["containers"][0]
    claims = [one["persistentVolumeClaim"] for one in pods()["front"]["volumes"] if "persistentVolumeClaim" in one]
    assert claims == [{"claimName": found["PersistentVolumeClaim"]["metadata"]["name"]}]
    assert {front[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == set(PROBES)
    worker = pods()["ray-worker"]["containers"][0]["resources"]
    assert worker["limits"]["nvidia.com/gpu"] == worker["requests"]["nvidia.com/gpu"] == "1"
    assert f"{found['RayCluster']['metadata']['name']}-head-svc:6379" in front["args"][0]


def test_the_front_takes_the_options_that_it_is_given() -> None:
    words = pods()["front"]["containers"][0]["args"][0].partition("serve-ditpipe")[2].split()
    commands = typer.main.get_command(app)
    known = {name for one in commands.commands["serve"].params for name in one.opts}  # type: ignore[attr-defined]
    given = {word for word in words if word.startswith("--")}
    assert {"--engine", "--address"} <= given <= known, given - known
    (group,) = manifests()["RayCluster"]["spec"]["workerGroupSpecs"]
    assert words[words.index("--max-replicas") + 1] == str(group["maxReplicas"])


def test_the_front_joins_again_when_its_node_has_ended(tmp_path: Path) -> None:
    """The container's script, with stand-ins: each `ray start --block` ends at once, and the third one is enough."""
    stand_ins = {
        "ray": 'echo "$@" >> joined',
        "sleep": "",
        "serve-ditpipe": "until [ $(wc -l < joined) -ge 3 ]; do :; done 2>/dev/null",
    }
    for name, script in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "joined").touch()
    script, path = pods()["front"]["containers"][0]["args"][0], f"{tmp_path}:{os.environ['PATH']}"
    front = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, env={"PATH": path}, start_new_session=True)
    try:
        assert front.wait(PATIENCE) == 0
    finally:
        os.killpg(front.pid, signal.SIGKILL)
    assert set((tmp_path / "joined").read_text().splitlines()) == {
        "start --address=ditpipe-head-svc:6379 --num-cpus=0 --num-gpus=0 --block"
    }
