"""An MCP server for a list of LangChain tools over a studio, on the official SDK: stdio or streamable HTTP.

The SDK's low-level `Server` is enough: the tools bring their schemas, so fastmcp would add a dependency and no feature.
The tools' progress events become progress notifications, a cancelled request cancels its tool call, and pictures are
resources. A picture goes out as a small preview and a link, never whole in a tool's answer.
"""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from starlette.types import ASGIApp

from ..prompts.errors import UnknownPicture
from ..prompts.templates import words
from .contract import Picture, told
from .gate import Gate, Keys, caller_of
from .jobs import LOCAL
from .schemas import mcp_schema
from .studio import Studio

SCHEME = "picture://"
Context = ServerRequestContext[Any, Any]


def mcp_server(tools: Sequence[BaseTool], studio: Studio, *, version: str, local: bool) -> Server[Any]:
    """The server. `local`: the client is on this machine and files are named to it; else only `picture://` links."""
    by_name = {tool.name: tool for tool in tools}

    @asynccontextmanager
    async def lifespan(server: Server[Any]) -> AsyncIterator[None]:
        studio.open()
        yield
        await anyio.to_thread.run_sync(studio.close)

    async def list_tools(context: Context, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool.model_validate(mcp_schema(tool)) for tool in tools])

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        if params.name not in by_name:
            raise MCPError(types.INVALID_PARAMS, f"unknown tool {params.name!r}: one of {', '.join(by_name)}")
        call = {"type": "tool_call", "id": str(context.request_id), "name": params.name, "args": params.arguments or {}}
        config: RunnableConfig = {"configurable": {"caller": _caller(context)}, "callbacks": [Progress(context)]}
        return _result(await by_name[params.name].ainvoke(call, config), local=local)

    async def list_resources(context: Context, params: Any) -> types.ListResourcesResult:
        resources = []
        for job in (one for one in studio.jobs.of(_caller(context)) if one.status == "done"):
            with suppress(FileNotFoundError):  # somebody took it away
                uri, size = f"{SCHEME}{job.id}", studio.file(job).stat().st_size
                resources.append(types.Resource(uri=uri, name=job.id, mime_type="image/png", size=size))
        return types.ListResourcesResult(resources=resources)

    async def list_templates(context: Context, params: Any) -> types.ListResourceTemplatesResult:
        template = types.ResourceTemplate(
            uri_template=f"{SCHEME}{{id}}", name="picture", description="a picture by its id", mime_type="image/png"
        )
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        try:
            job = studio.jobs.get(params.uri.removeprefix(SCHEME), caller=_caller(context))
        except UnknownPicture as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from error
        if job.status != "done":
            raise MCPError(types.INVALID_PARAMS, f"picture {job.id} is {job.status}, not done")
        blob = _base64(studio.file(job))
        contents = types.BlobResourceContents(uri=params.uri, mime_type="image/png", blob=blob)
        return types.ReadResourceResult(contents=[contents])

    async def list_prompts(context: Context, params: Any) -> types.ListPromptsResult:
        brief = types.PromptArgument(name="brief", description="what the picture should show", required=True)
        says = "Plan a picture for a brief yourself and have it drawn."
        return types.ListPromptsResult(prompts=[types.Prompt(name="plan", description=says, arguments=[brief])])

    async def get_prompt(context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        if params.name != "plan" or "brief" not in (params.arguments or {}):
            raise MCPError(types.INVALID_PARAMS, "the only prompt is 'plan', and it needs the argument 'brief'")
        text = words("host", brief=(params.arguments or {})["brief"])
        message = types.PromptMessage(role="user", content=types.TextContent(text=text))
        return types.GetPromptResult(messages=[message])

    return Server(
        "ditpipe", version=version, lifespan=lifespan,
        instructions="Draws pictures whose regions each have their own place and prompt. Long drawings: wait=false.",
        on_list_tools=list_tools, on_call_tool=call_tool, on_list_resources=list_resources,
        on_list_resource_templates=list_templates, on_read_resource=read_resource, on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
    )  # fmt: skip


class Progress(AsyncCallbackHandler):
    """Hands a tool's progress events on to the client that called it."""

    def __init__(self, context: Context) -> None:
        self.context = context

    async def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        if name == "progress":
            said = f"picture {data['picture']}: step {data['step']} of {data['steps']}"
            await self.context.session.report_progress(data["step"], data["steps"], said)


def run_stdio(server: Server[Any]) -> None:
    """Serves one client over standard input and output until it hangs up."""

    async def serve() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(serve)


def http_app(server: Server[Any], *, host: str, keys: Keys) -> ASGIApp:
    """The server as an ASGI application at /mcp, behind the gate."""
    return Gate(server.streamable_http_app(host=host), keys=keys)


def _caller(context: Context) -> str:
    return LOCAL if context.request is None else caller_of(context.request)


def _result(message: ToolMessage, *, local: bool) -> types.CallToolResult:
    if message.status == "error":
        return types.CallToolResult(content=[types.TextContent(text=str(message.content))], is_error=True)
    answer = message.artifact
    content: list[types.ContentBlock] = [types.TextContent(text=str(message.content))]
    if isinstance(answer, Picture):
        shown = answer if local else answer.model_copy(update={"path": None, "preview": None})
        content = [types.TextContent(text=told(shown)), *_preview(answer)]
        answer = shown
    return types.CallToolResult(content=content, structured_content=answer.model_dump(mode="json"))


def _preview(one: Picture) -> list[types.ContentBlock]:
    """A small picture to look at, and where the whole one is."""
    if one.preview is None or one.path is None:
        return []
    return [
        types.ImageContent(data=_base64(Path(one.preview)), mime_type="image/png"),
        types.ResourceLink(uri=one.uri, name=one.id, mime_type="image/png", size=Path(one.path).stat().st_size),
    ]


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
