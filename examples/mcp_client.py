"""An MCP client that starts `ditpipe mcp`, draws a plan and changes one region: python examples/mcp_client.py"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client

PLAN = {
    "scene": {"high_level": "a red cat on the left and a blue rocket on the right at night"},
    "regions": [
        {"name": "cat", "box": {"left": 0, "top": 0, "right": 0.5, "bottom": 1},
         "prompt": {"high_level": "cat", "low_level": "red"}},
        {"name": "rocket", "box": {"left": 0.5, "top": 0, "right": 1, "bottom": 1},
         "prompt": {"high_level": "rocket", "low_level": "blue"}},
    ],
}  # fmt: skip


async def show(step: float, steps: float | None, message: str | None) -> None:
    print(message)


async def draw(client: Client, tool: str, arguments: dict[str, Any]) -> Any:
    """The finished picture of a call. A call that takes too long returns an id to ask for."""
    picture: Any = (await client.call_tool(tool, arguments, progress_callback=show)).structured_content
    while picture["status"] in ("queued", "running"):
        again = {"id": picture["id"], "wait": True}
        picture = (await client.call_tool("get_picture", again, progress_callback=show)).structured_content
    return picture


async def main(*options: str) -> Any:
    """The changed picture, as the server describes it. `options` are those of `ditpipe mcp`."""
    command = Path(sys.executable).with_name("ditpipe")  # in your own client just "ditpipe"
    server = StdioServerParameters(command=str(command), args=["mcp", *options])

    async with Client(stdio_client(server)) as client:
        first = await draw(client, "render_picture", {"plan": PLAN})
        change = {"region": "rocket", "prompt": {"high_level": "rocket", "low_level": "yellow"}}
        return await draw(client, "edit_region", {"id": first["id"]} | change)


if __name__ == "__main__":
    print(asyncio.run(main(*sys.argv[1:]))["path"])
