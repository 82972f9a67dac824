"""Options of the commands that can draw on a Ray cluster."""

from importlib.util import find_spec
from typing import Annotated, Literal

from ...tools.jobs.cluster.options import Cluster
from .options import option

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
Gpus = Annotated[
    float, option(PANEL, "--gpus-per-replica", help="may be a fraction; for clusters that have GPUs", min=0)
]
Cpus = Annotated[float, option(PANEL, "--cpus-per-replica", help="CPUs that a replica takes", min=0)]
ResultsAddress = Annotated[
    str,
    option(
        PANEL, "--results", help="where results are kept by the digest of their request: a folder, s3://…, gs://… "
        "(empty: `results` in the folder of --out)", metavar="ADDRESS",
    ),
]  # fmt: skip


def cluster_of(
    engine: str, address: str, min_replicas: int, max_replicas: int, gpus: float, cpus: float, results: str
) -> Cluster | None:
    """The cluster to draw on; None for the local engine. Raises ValueError for options that have no effect, and if Ray
    is missing."""
    chosen = Cluster(address, min_replicas, max_replicas, gpus, cpus, results)
    if engine == "local":
        if chosen != Cluster():
            raise ValueError("--address, --results and the options of replicas are for --engine ray")
        return None
    if find_spec("ray") is None:
        raise ValueError('`--engine ray` needs more packages: pip install "ditpipe[ray]"')
    return chosen
