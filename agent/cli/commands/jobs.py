"""The commands for jobs of a running server: `ditpipe jobs` lists them, `jobs follow` and `jobs cancel` are for one."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ....prompts.endpoint import check_url
from ....prompts.errors import DitpipeError, visible
from ....prompts.outside_json import parse_json
from ..options import Json, option, print_answer

if TYPE_CHECKING:
    import httpx

KEY = "DITPIPE_SERVER_KEY"  # not an option: other users of the machine can read those
JOB_ID = Annotated[str, typer.Argument(metavar="ID", help="of a job, as `ditpipe jobs` lists it")]
Server = Annotated[
    str, option("Server", "--server", envvar="DITPIPE_SERVER", help=f"address of `ditpipe serve`; its key: {KEY}")
]
HERE = "http://127.0.0.1:8000"

jobs = typer.Typer(invoke_without_command=True, help="List, follow and cancel your jobs on a server.")


@jobs.callback()
def list_jobs(context: typer.Context, server: Server = HERE, as_json: Json = False) -> None:
    """List your newest hundred jobs on a server, newest first."""
    if context.invoked_subcommand:
        context.obj = server
        return
    with _client(server) as client:
        found = _answer(client.get("/v1/pictures"))
    if as_json:
        print(json.dumps({"jobs": [{name: job.get(name) for name in ROW} for job in found]}))
        return
    table = Table("job", "state", "steps", "", box=None)
    for job in found:
        steps = f"{job['step']} of {job['steps']}" if job["steps"] else ""
        table.add_row(*(escape(visible(str(text))) for text in (job["id"], job["status"], steps, job["error"])))
    Console().print(table if found else "no jobs", highlight=False)


ROW = ("id", "status", "step", "steps", "error")  # of a job in a list


@jobs.command()
def follow(context: typer.Context, job_id: JOB_ID, server: Server = HERE, as_json: Json = False) -> None:
    """Print what a job reports until it ends; exit code 1: it failed, or was cancelled."""
    last: dict[str, Any] = {}
    path = f"/v1/pictures/{_checked(job_id)}/events"
    with _client(_server(context, server)) as client, client.stream("GET", path, timeout=None) as response:
        if response.is_error:
            response.read()
            _answer(response)
        for event, fields in _events(response):
            if "status" in fields:
                last = fields
            if not as_json:
                print(visible(_line(event, fields)), flush=True)
    if not last:
        raise DitpipeError("the server ended the stream before it said anything of the job")
    if as_json:
        print(json.dumps(last))
    if last["status"] != "done":
        raise typer.Exit(1)


@jobs.command()
def cancel(context: typer.Context, job_id: JOB_ID, server: Server = HERE, as_json: Json = False) -> None:
    """Stop a job at its next step; one that has ended stays as it is."""
    with _client(_server(context, server)) as client:
        job = _answer(client.post(f"/v1/pictures/{_checked(job_id)}/cancel"))
    print_answer(as_json, {name: job.get(name) for name in ROW}, visible(f"{job['id']} is {job['status']}"))


def _server(context: typer.Context, server: str) -> str:
    """The address, given after the command or before it."""
    return str(context.obj) if server == HERE and context.obj else server


def _checked(job_id: str) -> str:
    if not job_id.isalnum() or not job_id.isascii():
        raise ValueError(f"{job_id[:60]!r} is not a job's id: `ditpipe jobs` lists them")
    return job_id


@contextmanager
def _client(server: str) -> Iterator["httpx.Client"]:
    import httpx

    check_url(server)
    key = os.environ.get(KEY)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=server, headers=headers, timeout=30) as client:
            yield client
    except httpx.HTTPError as error:
        raise DitpipeError(f"no answer from {server} ({error}): is `ditpipe serve` running there?") from error


def _answer(response: "httpx.Response") -> Any:
    """The JSON of an answer. Raises DitpipeError with the server's own words if it is an error."""
    try:
        answer = parse_json(response.content)
        if not response.is_error:
            return answer
        message = str(answer["error"]["message"])
    except (ValueError, KeyError, TypeError) as error:
        raise DitpipeError(f"{response.url} answers {response.status_code}, and not as ditpipe does") from error
    hint = f" (set {KEY})" if response.status_code == 401 else ""
    raise DitpipeError(f"{message}{hint}")


def _events(response: "httpx.Response") -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and fields of each server-sent event."""
    name = ""
    for line in response.iter_lines():
        kind, _, rest = line.partition(":")
        if kind == "event":
            name = rest.strip()
        elif kind == "data":
            try:
                fields = parse_json(rest)
            except ValueError as error:
                raise DitpipeError(f"{response.url} answers something else than ditpipe's events") from error
            yield name, fields if isinstance(fields, dict) else {}


def _line(event: str, fields: dict[str, Any]) -> str:
    if "status" in fields:
        steps = f" {fields['step']} of {fields['steps']}" if fields.get("steps") else ""
        return f"{event}{steps}{': ' + fields['error'] if fields.get('error') else ''}"
    if event == "planned":
        return f"planned: {', '.join(region['name'] for region in fields['plan']['regions'])}"
    if event == "critiqued" and fields["critique"]["score"] is not None:
        return f"critiqued: {fields['critique']['score']:.2f}"
    return event
