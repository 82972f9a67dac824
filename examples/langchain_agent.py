"""A LangChain agent that paints: python examples/langchain_agent.py openai:gpt-5 "a red cat beside a blue rocket" """

import sys
from typing import Any

from langchain.agents import create_agent

from ditpipe.tools import picture_tools


def main(model: Any, wish: str, **options: Any) -> list[str]:
    """Paths of the pictures that the agent made. `model`: a chat model or its name; options are `ditpipe.Agent`'s."""
    agent: Any = create_agent(model, picture_tools(**options))
    answer = agent.invoke({"messages": [("user", wish)]})
    pictures = [message.artifact for message in answer["messages"] if getattr(message, "artifact", None)]
    print(answer["messages"][-1].text)
    return [picture.path for picture in pictures if getattr(picture, "path", None)]


if __name__ == "__main__":
    print(*main(*sys.argv[1:]), sep="\n")
