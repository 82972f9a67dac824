"""An agent's engine, here or on a Ray cluster, and the handlers of the replicas there."""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from PIL import Image

from ..prompts.critique import Critique
from ..prompts.errors import DitpipeError
from ..prompts.plan import ScenePlan
from ..renderer.checkpoints.files.hub import Hub
from ..renderer.checkpoints.files.source import locate
from ..renderer.checkpoints.registry import absolute_name
from ..renderer.checkpoints.remote_models import is_remote
from ..renderer.pictures.artifacts import PACKAGES
from ..tools.jobs.cluster.options import Cluster
from ..tools.jobs.engine import JobHandler
from ..tools.jobs.local_engine import LocalEngine
from .agent import Agent
from .batch.worker import BATCH, BATCH_EVENTS, batch_handler
from .chat.turn_job import CHAT_EVENTS
from .llm.local_models import LOCAL_MODELS
from .planning.planner import Planner
from .refine.local_critic import PREFIX
from .render_options import saving
from .settings import Settings
from .wiring import critique_of, edit_reviewer, largest_side, local_engine, paint_handler

if TYPE_CHECKING:
    from ..tools.jobs.cluster.cpu_replica import CpuReplicas, Function
    from ..tools.jobs.cluster.ray_engine import RayEngine

KINDS = ("render", "edit", "paint", BATCH)
# Settings that no replica gets; a key is one of its node.
OF_THE_SERVER = {"api_key", "image_api_key", "out", "sessions", "approve"}

log = logging.getLogger(__name__)


def engine_of(
    agent: Agent, *, folder: Path, cluster: Cluster | None = None, largest: int | None = None, capacity: int = 128,
    share: int = 64,
) -> LocalEngine:  # fmt: skip
    """A `ray_engine` on a cluster, or a `local_engine` without one."""
    options: dict[str, Any] = {"folder": folder, "largest": largest, "capacity": capacity, "share": share}
    return ray_engine(agent, cluster=cluster, **options) if cluster else local_engine(agent, **options)


def ray_engine(
    agent: Agent,
    *,
    folder: Path,
    cluster: Cluster,
    largest: int | None = None,
    capacity: int = 128,
    share: int = 64,
) -> "RayEngine":
    """An engine whose replicas draw under an agent's settings. `largest`, `capacity` and `share` are `local_engine`'s.

    Model folders, LoRAs and wildcards have the same paths on each node; keys of chat models are in a node's own
    environment. Replicas have the agent's settings, not what it was given as an object. Raises ValueError for settings
    that name a GPU, for a model on a server, and for CPU replicas where nothing is planned or judged by local models.
    """
    from ..tools.jobs.cluster.ray_engine import RayEngine

    chosen, files = agent.settings, agent.models.files
    if is_remote(agent.model):
        raise ValueError(f"{agent.model} is drawn on its own server: --engine ray is for models that replicas load")
    if ":" in chosen.device:
        raise ValueError(f"each replica has the GPU that Ray gives it, and none {chosen.device}: leave --device out")
    if cluster.cpu_replicas and not local_models(agent):
        raise ValueError("--cpu-replicas: neither the planner nor the critic is a model that runs on the cluster")
    settings = settings_of_replicas(agent)
    return RayEngine(
        folder,
        cluster=cluster,
        factory=f"{__name__}:replica_handlers",
        settings=json.dumps({"settings": settings, "largest": largest or largest_side(agent)}, sort_keys=True),
        kinds=KINDS,
        cpu_factory=f"{__name__}:cpu_functions",
        salt=_versions() + state_of(agent.checkpoint.source, files.loras, files.wildcards),
        seed=chosen.picture_seed if chosen.seed == "random" else None,
        reports=(*CHAT_EVENTS, *BATCH_EVENTS),
        capacity=capacity,
        share=share,
    )


def replica_handlers(text: str, savings: int, cpu_replicas: "CpuReplicas | None") -> Mapping[str, JobHandler]:
    """The handlers of a replica. `savings`: how many ways to save memory are added, because so many replicas were ended
    for want of main memory while they drew the job. `cpu_replicas` plan and judge with local models in its place."""
    from ..renderer.weights.offload import memory_fallbacks
    from ..tools.jobs.handlers import renderer_handlers

    agent = _agent_of(text, cpu_replicas)
    used = saving(agent.settings.save_memory)
    saved = memory_fallbacks(used, cuda=False, large=True)[:savings]  # what is kept off a GPU is in main memory
    if saved:
        agent = agent.with_settings(save_memory=",".join([*used, *saved]))
        agent.notes = [f"out of memory: drawn again with save_memory {','.join(saved)}"]
    handlers = renderer_handlers(agent.renderer, agent.request, edit_reviewer(agent), save_memory=saved)
    handlers |= {"paint": paint_handler(agent, largest=json.loads(text)["largest"])}
    return handlers | {BATCH: batch_handler(agent)}


@lru_cache(maxsize=1)
def _agent_of(text: str, cpu_replicas: "CpuReplicas | None") -> Agent:
    """The agent of this process, its image model loaded: there is one, however memory is saved."""
    settings = Settings(**json.loads(text)["settings"])
    agent = Agent(settings=settings)
    if cpu_replicas:
        local = local_models(agent)
        planner = cast(Planner, PlannerOnCpu(cpu_replicas)) if "planner" in local else None
        critic = CriticOnCpu(cpu_replicas) if "critic" in local else None
        agent = Agent(settings=settings, planner=planner, critic=critic)
    agent.renderer.warm_up()
    return agent


def local_models(agent: Agent) -> list[str]:
    """Which of 'planner' and 'critic' are models that this process would load. None is loaded."""
    critic = agent.models.critic_name
    judges = critic == "embedded" or critic.partition(":")[0] == PREFIX
    return ["planner"] * (agent.planner_name in LOCAL_MODELS) + ["critic"] * judges


def cpu_functions(text: str) -> "Mapping[str, Function]":
    """What a CPU replica does for the replicas that draw: 'plan' a brief, 'judge' a PNG by its plan."""
    agent = Agent(settings=Settings(**json.loads(text)["settings"]))
    with suppress(DitpipeError):  # reported when the first brief is planned
        _ = agent.planner

    def plan(brief: Any, file: bytes) -> str:
        return agent.models.planner_for(agent.settings).plan(brief).model_dump_json()

    def judge(plan: Any, file: bytes) -> str:
        with Image.open(BytesIO(file)) as image:
            picture = image.convert("RGB")
        return critique_of(agent)(picture, ScenePlan.model_validate(plan)).model_dump_json()

    return {"plan": plan, "judge": judge}


class PlannerOnCpu:
    """A local planner that is loaded in CPU replicas; it is used in place of a `Planner`."""

    tuned = True

    def __init__(self, replicas: "CpuReplicas") -> None:
        self._call = replicas

    def plan(self, brief: str) -> ScenePlan:
        return ScenePlan.model_validate_json(self._call("plan", brief))


class CriticOnCpu:
    """A local critic that is loaded in CPU replicas."""

    def __init__(self, replicas: "CpuReplicas") -> None:
        self._call = replicas

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        buffer = BytesIO()
        image.save(buffer, "PNG")
        return Critique.model_validate_json(self._call("judge", plan.model_dump(mode="json"), buffer.getvalue()))


def _versions() -> str:
    return json.dumps({name: version(name) for name in PACKAGES})


def settings_of_replicas(agent: Agent) -> dict[str, Any]:
    """An agent's settings as JSON, without keys, and with absolute paths: replicas have another current folder."""
    changed: dict[str, Any] = {"model": absolute_name(agent.model)}
    for name in ("loras", "wildcards"):
        if path := getattr(agent.settings, name):
            changed[name] = path.expanduser().absolute()
    kind, _, models = agent.settings.critic.partition(":")
    if kind == "local" and models:
        names = [str(path.absolute()) if (path := Path(name)).is_dir() else name for name in models.split(",")]
        changed["critic"] = f"{kind}:{','.join(names)}"
    return agent.settings.model_copy(update=changed).model_dump(mode="json", exclude=OF_THE_SERVER)


def state_of(model: str, *folders: Path, hub: Hub | None = None) -> str:
    """What results are kept for beside their request: the commit of a model on the hub, and names, sizes and times of
    files, of the model or in folders. Where any of them has changed, pictures are other ones.

    model: `Checkpoint.source`. Logs a warning if neither the hub nor its cache tells the commit.
    """
    place = locate(model)
    assert place  # a model on a server has no engine here
    commit = place.hub and (hub or Hub()).commit(place.hub)
    if place.hub and not commit:
        log.warning("no commit of %s is known: results that are kept will not notice a newer one", place.hub)
    paths = [path for path in (place.folder, place.file, *folders) if path]
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    states = ((str(file), file.stat()) for file in files if file.is_file())
    return json.dumps([commit, *((name, state.st_size, state.st_mtime_ns) for name, state in states)])
