"""Ray clusters of several nodes on this machine, as light and as patient as Ray allows, for tests and benchmarks."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

TRIES = 3  # Ray gives a node 30 seconds to start, and a busy machine may take longer
AGENT_PORT = "dashboard_agent_listen_port"
SETTINGS = {
    "agent_register_timeout_ms": 300_000,
    "enable_worker_prestart": False,
    "prestart_worker_first_driver": False,
    "worker_niceness": 0,
}


@contextmanager
def ray_nodes(*, head_cpus: int, port: int = 0) -> Iterator[Any]:
    """A `ray.cluster_utils.Cluster` with a head on that port, 0 for any; `add_node` adds others."""
    from ray._common.utils import get_default_ray_temp_dir
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    # Ray notes the newest cluster there, also if it has another folder, which it makes alone.
    Path(get_default_ray_temp_dir()).mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        cluster.session = Path(folder) / "session"
        cluster.session.mkdir()
        add_node(
            cluster, cpus=head_cpus, no_monitor=True, temp_dir=folder, session_name=cluster.session.name,
            gcs_server_port=port, _system_config=SETTINGS,
        )  # fmt: skip
        try:
            yield cluster
        finally:
            cluster.shutdown()


def add_node(cluster: Any, *, cpus: int = 1, **options: Any) -> Any:
    """A new node of a cluster."""
    from ray import NodeID
    from ray._raylet import persist_port  # type: ignore[attr-defined]

    for left in reversed(range(TRIES)):
        # Ray waits 15 s for ports that it is not given, and for this agent to write down the one that it was given.
        names = ("metrics_agent_port", "metrics_export_port", "runtime_env_agent_port", AGENT_PORT)
        ports, node_id = dict(zip(names, free_ports(len(names)), strict=True)), NodeID.from_random().hex()
        persist_port(str(cluster.session), node_id, AGENT_PORT, ports[AGENT_PORT])
        try:
            return cluster.add_node(
                num_cpus=cpus, object_store_memory=80_000_000, include_dashboard=False, include_log_monitor=False,
                env_vars={"RAY_OVERRIDE_NODE_ID_FOR_TESTING": node_id}, **ports, **options,
            )  # fmt: skip
        except Exception:
            if not left:
                raise


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("", 0))
        return [each.getsockname()[1] for each in sockets]
