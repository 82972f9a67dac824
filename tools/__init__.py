"""The picture tools for other frameworks, and the servers that publish them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool


def picture_tools(**options: Any) -> list["BaseTool"]:
    """The picture tools for a LangChain agent, ready to use: `create_agent(model, picture_tools())`.

    Options are those of `ditpipe.Agent` (model, planner, critic, out, …). The agent is loaded through the entry point
    `picture_tools` of the group `ditpipe`, because `tools/` imports nothing of `agent/`.
    """
    from importlib.metadata import entry_points

    entries = list(entry_points(group="ditpipe", name="picture_tools"))
    if not entries:
        raise RuntimeError("ditpipe is not installed, or in an old version: pip install -e . in its folder")
    tools: list[BaseTool] = entries[0].load()(**options)
    return tools
