"""Options of the commands that can draw on a Ray cluster."""

import inspect
from dataclasses import fields
from functools import wraps
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from ...tools.jobs.cluster.options import Cluster
from .options import Command, option

PANEL: Literal["Cluster"] = "Cluster"
EngineName = Annotated[
    Literal["local", "ray"], option(PANEL, "--engine", help="who draws: this process, or replicas on a Ray cluster")
]
Address = Annotated[
    str,
    option(
        PANEL, "--address", help="HOST:PORT or auto: the Ray cluster that this machine is a node of (empty: a Ray of "
        "its own on this machine, on the loopback address)", metavar="HOST:PORT|auto",
    ),
]  # fmt: skip
MinReplicas = Annotated[int, option(PANEL, "--min-replicas", help="replicas that stay warm", min=0)]
MaxReplicas = Annotated[
    int, option(PANEL, "--max-replicas", help="most replicas; 0: as many as the cluster has room for", min=0)
]
Gpus = Annotated[float, option(PANEL, "--gpus-per-replica", help="may be a fraction; 0: replicas draw on CPUs", min=0)]
Cpus = Annotated[float, option(PANEL, "--cpus-per-replica", help="CPUs that a replica takes", min=0)]
CpuReplicas = Annotated[
    int,
    option(
        PANEL, "--cpu-replicas", help="processes of one CPU that plan and judge with local models for the replicas "
        "that draw; 0: these do it themselves", min=0,
    ),
]  # fmt: skip
ResultsAddress = Annotated[
    str,
    option(
        PANEL, "--results", help="where results are kept by the digest of their request: a folder, s3://…, gs://… "
        "(empty: `results` in the folder of --out)", metavar="ADDRESS",
    ),
]  # fmt: skip


OPTIONS: dict[str, Any] = {  # by the fields of `Cluster`
    "address": Address, "min_replicas": MinReplicas, "max_replicas": MaxReplicas, "gpus": Gpus, "cpus": Cpus,
    "cpu_replicas": CpuReplicas, "results": ResultsAddress,
}  # fmt: skip


def with_cluster(command: Command) -> Command:
    """Gives a command the options of this panel in place of its parameter `cluster`, which becomes what `cluster_of`
    makes of them."""

    @wraps(command)
    def run(**given: Any) -> None:
        chosen = Cluster(**{name: given.pop(name) for name in OPTIONS})
        command(cluster=cluster_of(given.pop("engine"), chosen), **given)

    defaults = {"engine": "local"} | {field.name: field.default for field in fields(Cluster)}
    ours = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=kind)
        for name, kind in {"engine": EngineName, **OPTIONS}.items()
    ]
    others = inspect.signature(command, eval_str=True).parameters.values()
    keywords = [other.replace(kind=inspect.Parameter.KEYWORD_ONLY) for other in others if other.name != "cluster"]
    run.__signature__ = inspect.Signature([*keywords, *ours])  # type: ignore[attr-defined]
    return run


def cluster_of(engine: str, chosen: Cluster) -> Cluster | None:
    """The cluster to draw on; None for the local engine. Raises ValueError for options that have no effect, and if Ray
    is missing."""
    if engine == "local":
        if chosen != Cluster():
            raise ValueError("--address, --results and the options of replicas are for --engine ray")
        return None
    if find_spec("ray") is None:
        raise ValueError('`--engine ray` needs more packages: pip install "ditpipe[ray]"')
    return chosen
