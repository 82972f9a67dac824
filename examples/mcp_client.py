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


async def main(*options: str) -> Any:
    """The changed picture, as the server tells of it. `options` are those of `ditpipe mcp`."""
    command = Path(sys.executable).with_name("ditpipe")  # in your own client just "ditpipe"
    server = StdioServerParameters(command=str(command), args=["mcp", *options])

    async def show(step: float, steps: float | None, message: str | None) -> None:
        print(message)

    async with Client(stdio_client(server)) as client:
        first: Any = await client.call_tool("render_picture", {"plan": PLAN}, progress_callback=show)
        change = {"region": "rocket", "prompt": {"high_level": "rocket", "low_level": "yellow"}}
        picture = first.structured_content["id"]
        second: Any = await client.call_tool("edit_region", {"id": picture} | change, progress_callback=show)
    return second.structured_content


if __name__ == "__main__":
    print(asyncio.run(main(*sys.argv[1:]))["path"])
