"""An agent of the OpenAI Agents SDK that paints through `ditpipe mcp --http`:

python examples/openai_agent_over_mcp.py http://127.0.0.1:8001/mcp gpt-5 "a red cat beside a blue rocket"
"""

import asyncio
import sys
from typing import Any

from agents import Agent, Runner
from agents.mcp import MCPServerStreamableHttp


async def main(url: str, model: Any, wish: str) -> str:
    """What the agent says in the end. `model`: a model of the SDK or its name."""
    # The SDK gives a tool 5 seconds by default; a call here comes back after 45 at the latest, perhaps with a handle.
    pictures = MCPServerStreamableHttp({"url": url}, client_session_timeout_seconds=60)
    async with pictures:
        agent = Agent(name="Painter", instructions="Paint what is wished.", model=model, mcp_servers=[pictures])
        answer = await Runner.run(agent, wish)
    return str(answer.final_output)


if __name__ == "__main__":
    print(asyncio.run(main(*sys.argv[1:])))
