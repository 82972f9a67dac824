"""Acts: the verbs as tools that other frameworks can call, and the servers that publish a list of tools."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool


def picture_tools(**options: Any) -> list["BaseTool"]:
    """The picture tools for a LangChain agent, ready to use: `create_agent(model, picture_tools())`.

    Options are those of `ditpipe.Agent` (model, planner, critic, out, …). What plans and criticises is a floor above;
    it hands itself in as the entry point `picture_tools` of the group `ditpipe`, so this floor imports nothing of it.
    """
    from importlib.metadata import entry_points

    found = list(entry_points(group="ditpipe", name="picture_tools"))
    if not found:
        raise RuntimeError("ditpipe is not installed, or an old version of it is: pip install -e . in its folder")
    tools: list[BaseTool] = found[0].load()(**options)
    return tools
