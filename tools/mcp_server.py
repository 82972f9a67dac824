"""An MCP server for a list of tools over a picture service, on the official SDK: stdio or streamable HTTP.

The SDK's low-level `Server` is enough: the tools have schemas already. Progress events become progress notifications,
a cancelled request cancels its tool call, and pictures are resources. An answer holds a small preview and a link, never
the whole picture.
"""

import base64
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel
from starlette.types import ASGIApp

from ..prompts.errors import DitpipeError, UnknownPicture, one_line
from ..prompts.templates import fill_template
from .api_schema import SCHEME, Picture, describe_picture, picture_file
from .auth import AuthMiddleware, Keys, caller_of
from .function_schemas import mcp_schema
from .jobs.engine import LOCAL, STATES
from .jobs.service import PictureService
from .tool_spec import PictureTool, Progress

# Hosts give up on a server that is slow to list its tools, so torch is loaded after the list was sent: seconds to wait
# for the request, and for its answer. A tool call does not wait.
LIST_TIMEOUT, SEND_TIME = 5.0, 0.5
Context = ServerRequestContext[Any, Any]


def mcp_server(
    tools: Sequence[PictureTool], service: PictureService, *, version: str, local: bool, draws: str = ""
) -> Server[Any]:
    """The server. local: the client is on this machine, and answers have file paths; else only `picture://` links.

    draws: summary of the image model's vocabulary, for the instructions; empty if it has none.
    """
    limits = f" The image model draws {draws}" if draws else ""
    by_name = {tool.name: tool for tool in tools}

    @asynccontextmanager
    async def lifespan(server: Server[Any]) -> AsyncIterator[threading.Event]:
        listed = threading.Event()

        def open_later() -> None:
            listed.wait(LIST_TIMEOUT)
            time.sleep(SEND_TIME)
            service.jobs.open()

        threading.Thread(target=open_later, name="mcp-opens-jobs", daemon=True).start()
        yield listed
        await anyio.to_thread.run_sync(service.jobs.close)

    async def list_tools(context: Context, params: Any) -> types.ListToolsResult:
        listing = types.ListToolsResult(tools=[types.Tool.model_validate(mcp_schema(tool)) for tool in tools])
        context.lifespan_context.set()
        return listing

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        if params.name not in by_name:
            raise MCPError(types.INVALID_PARAMS, f"unknown tool {params.name!r}: one of {', '.join(by_name)}")
        tool = by_name[params.name]

        async def report(step: Progress) -> None:
            message = f"picture {step['picture']}: step {step['step']} of {step['steps']}"
            await context.session.report_progress(step["step"], step["steps"], message)

        try:
            arguments = tool.args_schema.model_validate(params.arguments or {})
            text, answer = await tool.acall(arguments, _caller(context), report)
        except (DitpipeError, ValueError) as error:  # the model reads what is wrong and can correct it
            return types.CallToolResult(content=[types.TextContent(text=one_line(error))], is_error=True)
        return _result(text, answer, local=local)

    async def list_resources(context: Context, params: Any) -> types.ListResourcesResult:
        resources = []
        for job in (job for job in service.jobs.recent(_caller(context)) if job.status == "done"):
            with suppress(DitpipeError):  # the file was deleted
                uri, size = f"{SCHEME}{job.id}", picture_file(service, job).stat().st_size
                resources.append(types.Resource(uri=uri, name=job.id, mime_type="image/png", size=size))
        return types.ListResourcesResult(resources=resources)

    async def list_templates(context: Context, params: Any) -> types.ListResourceTemplatesResult:
        template = types.ResourceTemplate(
            uri_template=f"{SCHEME}{{id}}", name="picture", description="a picture by its id", mime_type="image/png"
        )
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        try:
            job = service.jobs.get(params.uri.removeprefix(SCHEME), caller=_caller(context))
            if job.status != "done":
                raise UnknownPicture(
                    f"picture {job.id} {STATES[job.status]}; only a picture that is done can be fetched"
                )
            blob = _base64(picture_file(service, job))
        except DitpipeError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from error
        contents = types.BlobResourceContents(uri=params.uri, mime_type="image/png", blob=blob)
        return types.ReadResourceResult(contents=[contents])

    async def list_prompts(context: Context, params: Any) -> types.ListPromptsResult:
        brief = types.PromptArgument(name="brief", description="what the picture should show", required=True)
        description = "Plan a picture for a brief yourself and have it drawn."
        return types.ListPromptsResult(prompts=[types.Prompt(name="plan", description=description, arguments=[brief])])

    async def get_prompt(context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        if params.name != "plan" or "brief" not in (params.arguments or {}):
            raise MCPError(types.INVALID_PARAMS, "the only prompt is 'plan', and it needs the argument 'brief'")
        text = fill_template("host", brief=(params.arguments or {})["brief"], draws=limits)
        message = types.PromptMessage(role="user", content=types.TextContent(text=text))
        return types.GetPromptResult(messages=[message])

    return Server(
        "ditpipe", version=version, lifespan=lifespan,
        instructions="Draws pictures whose regions each have their own place and prompt. Long drawings: wait=false."
        + limits,
        on_list_tools=list_tools, on_call_tool=call_tool, on_list_resources=list_resources,
        on_list_resource_templates=list_templates, on_read_resource=read_resource, on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
    )  # fmt: skip


def run_stdio(server: Server[Any]) -> None:
    """Serves one client over standard input and output until it hangs up."""

    async def serve() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(serve)


def http_app(server: Server[Any], *, host: str, keys: Keys) -> ASGIApp:
    """The server as an ASGI application at /mcp, behind the AuthMiddleware."""
    return AuthMiddleware(server.streamable_http_app(host=host), keys=keys)


def _caller(context: Context) -> str:
    return LOCAL if context.request is None else caller_of(context.request)


def _result(text: str, answer: BaseModel, *, local: bool) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(text=text)]
    if isinstance(answer, Picture):
        public = answer if local else answer.model_copy(update={"path": None, "preview": None})
        content = [types.TextContent(text=describe_picture(public)), *_preview(answer)]
        answer = public
    return types.CallToolResult(content=content, structured_content=answer.model_dump(mode="json"))


def _preview(picture: Picture) -> list[types.ContentBlock]:
    """A small preview, and a link to the whole picture."""
    if picture.preview is None or picture.path is None:
        return []
    size = Path(picture.path).stat().st_size
    return [
        types.ImageContent(data=_base64(Path(picture.preview)), mime_type="image/png"),
        types.ResourceLink(uri=picture.uri, name=picture.id, mime_type="image/png", size=size),
    ]


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
