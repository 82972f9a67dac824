"""The server commands: `ditpipe serve` (HTTP), `web` (a page), `mcp`; and `tools` and `schema`, which print schemas."""

import json
import os
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from platformdirs import user_data_path
from pydantic import BaseModel

from ....prompts.critique import Critique
from ....prompts.plan import ScenePlan
from ....prompts.revision import Revision
from ....tools.jobs.cluster.options import Cluster
from ...settings import settings_of
from ..cluster import with_cluster
from ..options import Json, Options, option, stderr_console, with_settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ....tools.auth import Keys
    from ...agent import Agent


HOST = option("Server", "--host", help="address to listen on; any but loopback needs --keys")
PORT = option("Server", "--port", help="0: any free one", min=0, max=65535)
KeyFile = Annotated[
    Path | None,
    option("Server", "--keys", envvar="DITPIPE_KEYS", help="file with one 'name key' a line, a name a caller"),
]
Compatible = Annotated[
    bool,
    option(
        "Server",
        "--openai-compatible",
        help="Images API: take any model name and size, draw with this model at the nearest size, and say so in the "
        "answer; without it they are refused",
    ),
]

Logs = Annotated[
    str,
    option("Server", "--log-format", envvar="DITPIPE_LOG_FORMAT", help="text, or json: an object a line, with its job"),
]


@with_settings(without=("approve", "sessions"))
@with_cluster
def serve(
    options: Options, host: Annotated[str, HOST] = "127.0.0.1", port: Annotated[int, PORT] = 8000, keys: KeyFile = None,
    compatible: Compatible = False, log_format: Logs = "text", cluster: Cluster | None = None,
) -> None:  # fmt: skip
    """Serve pictures over HTTP: OpenAI's Images API, and /v1/pictures with every region; /docs describes both."""
    _needs("serve", "fastapi", "python_multipart", "uvicorn")
    set_log_format(log_format)
    allowed = _locks(host, keys)
    agent = _agent(options)
    _loading("the service", host, port, log_format)
    from .... import __version__
    from ....tools.http_service import http_service
    from ...ray_cluster import engine_of
    from ...wiring import change_reader, critique_of, picture_service, plan_brief

    jobs = engine_of(agent, folder=agent.settings.out, cluster=cluster)
    app = http_service(
        picture_service(agent, engine=jobs), checkpoint=agent.checkpoint, critique=critique_of(agent), keys=allowed,
        plan=partial(plan_brief, agent), version=__version__,
        request_for=agent.request, read=change_reader(agent), compatible=compatible,
    )  # fmt: skip
    _run_server(app, host, port, log_format)


@with_settings(without=("approve", "out"))
def web(
    options: Options,
    host: Annotated[str, HOST] = "127.0.0.1",
    port: Annotated[int, PORT] = 7860,
    keys: KeyFile = None,
    log_format: Logs = "text",
) -> None:
    """Serve a page to talk pictures into shape; a browser asks for name and key where --keys is given."""
    _needs("web", "fastapi", "python_multipart", "uvicorn")
    set_log_format(log_format)
    allowed = _locks(host, keys)
    agent = _agent(options)
    _loading("the page", host, port, log_format)
    from ...web.app import missing, web_app

    app = web_app(agent, keys=allowed, notice=missing(agent))
    _run_server(app, host, port, log_format)


@with_settings(without=("approve", "sessions"), defaults={"out": "in the user's data folder"})
@with_cluster
def mcp(
    options: Options,
    http: Annotated[bool, option("Server", "--http", help="over HTTP, at 127.0.0.1:8001, instead of stdio")] = False,
    host: Annotated[str | None, HOST] = None, port: Annotated[int | None, PORT] = None, keys: KeyFile = None,
    cluster: Cluster | None = None,
) -> None:  # fmt: skip
    """Serve the picture tools over the Model Context Protocol."""
    _needs("mcp", "mcp", "uvicorn")
    if keys and not http and "DITPIPE_KEYS" not in os.environ:
        raise ValueError("--keys are for --http: over stdio the client starts the server, and there is one caller")
    if not http and (host, port) != (None, None):
        raise ValueError("--host and --port are for --http: over stdio there is no address")
    host, port = host or "127.0.0.1", 8001 if port is None else port
    allowed = _locks(host, keys) if http else None
    # A client may start it in any working directory.
    if not os.environ.get("DITPIPE_OUT"):
        options.setdefault("out", user_data_path("ditpipe") / "runs")
    agent = _agent(options)
    if http:
        _loading("the tools", host, port)
    from .... import __version__
    from ....tools.mcp_server import http_app, mcp_server, run_stdio
    from ...ray_cluster import engine_of
    from ...wiring import picture_service, tools_for

    service = picture_service(agent, engine=engine_of(agent, folder=agent.settings.out, cluster=cluster))
    server = mcp_server(
        tools_for(service, agent), service, version=__version__, local=not http, draws=agent.vocabulary_summary
    )
    if allowed is None:
        run_stdio(server)
    else:
        _run_server(http_app(server, host=host, keys=allowed), host, port)


@with_settings("model", "size", "aspect")
def tools(
    options: Options,
    form: Annotated[str, typer.Option("--format", help="openai, anthropic or mcp")] = "openai",
) -> None:
    """Print the tools as function schemas, to call a model without a framework."""
    from ....tools.function_schemas import FORMATS
    from ...wiring import picture_service, tools_for

    if form not in FORMATS:
        raise ValueError(f"unknown format {form!r}: one of {', '.join(FORMATS)}")
    with TemporaryDirectory() as nowhere:
        agent = _agent({**options, "out": Path(nowhere)})
        schemas = [FORMATS[form](tool) for tool in tools_for(picture_service(agent), agent)]
    print(json.dumps(schemas, indent=2))


def schema(
    name: Annotated[str, typer.Argument(help="scene-plan, critique or revision")] = "scene-plan", as_json: Json = False
) -> None:
    """Print the JSON Schema of the contract."""
    contracts: dict[str, type[BaseModel]] = {"scene-plan": ScenePlan, "critique": Critique, "revision": Revision}
    if name not in contracts:
        raise ValueError(f"unknown schema {name!r}: one of {', '.join(contracts)}")
    print(json.dumps(contracts[name].model_json_schema(), indent=None if as_json else 2))


def set_log_format(name: str) -> None:
    """Chooses the format of the log. Raises ValueError for an unknown one."""
    from ....tools.watching.json_logs import FORMATS, log_json

    if name not in FORMATS:
        raise ValueError(f"--log-format is one of {', '.join(FORMATS)}, not {name!r}")
    if name == "json":
        log_json()


def _loading(what: str, host: str, port: int, log_format: str = "text") -> None:
    """Prints a line before anything slow begins; the server itself reports when it is ready."""
    if log_format == "json":
        return
    where = f"then at http://{f'[{host}]' if ':' in host else host}:{port}" if port else "the address comes with it"
    stderr_console.print(f"loading {what} …; {where}", style="dim", markup=False, highlight=False, soft_wrap=True)


def _agent(options: Options) -> "Agent":
    """The agent of a server. A setting of the environment that has no effect there is named on stderr."""
    from ...agent import Agent

    settings = settings_of(**options)
    if settings.approve:
        unused = "DITPIPE_APPROVE is not used by servers: the page has its own box for it, and no client is asked"
        stderr_console.print(f"note: {unused}", style="yellow", markup=False)
    return Agent(settings=settings)


def _needs(extra: str, *modules: str) -> None:
    """Raises ValueError with the line that installs what is missing."""
    if any(find_spec(module) is None for module in modules):
        raise ValueError(f'`ditpipe {extra}` needs more packages: pip install "ditpipe[{extra}]"')


def _locks(host: str, keys: Path | None) -> "Keys":
    from ....tools.auth import Keys, check_address, read_keys

    allowed = read_keys(keys) if keys else Keys()
    check_address(host, allowed)
    return allowed


def _run_server(app: "ASGIApp", host: str, port: int, log_format: str = "text") -> None:
    import uvicorn

    # No access log: the links of `response_format="url"` carry their signature in the address. An open page's stream of
    # events has no end, so a shutdown would wait for it.
    uvicorn.run(
        app, host=host, port=port, access_log=False, timeout_graceful_shutdown=1,
        log_config=None if log_format == "json" else uvicorn.config.LOGGING_CONFIG,
    )  # fmt: skip
