"""What a person says about the Ray cluster that draws."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster and the replicas of the renderer on it.

    `address`: 'host:port' or 'auto' of a cluster that this machine is a node of; empty: a Ray of this server's own, on
    the loopback address. `max_replicas`: 0 for as many as the cluster has room for when the server starts. `gpus` of
    each replica may be a fraction, and does not count in a cluster of CPUs alone. `cpu_replicas`: processes of one CPU
    that plan and judge with local models; 0: the replicas that draw do it themselves. `results`: where finished jobs
    are kept by the digest of their request: a folder or any fsspec address; empty: a folder beside the queue.
    """

    address: str = ""
    min_replicas: int = 1
    max_replicas: int = 0
    gpus: float = 1.0
    cpus: float = 1.0
    cpu_replicas: int = 0
    results: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for numbers that leave nobody to draw, and for the address of a Ray client."""
        if "://" in self.address:
            raise ValueError(f"{self.address}: give HOST:PORT of a cluster that this machine is a node of, or 'auto'")
        if self.min_replicas < 0 or self.max_replicas < 0 or 0 < self.max_replicas < self.min_replicas:
            raise ValueError(
                f"{self.min_replicas} to {self.max_replicas} replicas: the most is no less than the least, or 0 for as "
                "many as there is room for"
            )
        if self.cpu_replicas < 0:
            raise ValueError(f"{self.cpu_replicas} CPU replicas: 0 or more")
        if self.gpus < 0 or self.cpus < 0 or self.gpus + self.cpus == 0:
            raise ValueError("a replica takes a share of a GPU or of a CPU, above 0")
