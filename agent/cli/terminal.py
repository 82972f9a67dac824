"""The conversation in a terminal: a prompt with history and completion, or messages from a pipe."""

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from io import StringIO

from rich.console import Console

from ...prompts.errors import DitpipeError, one_line
from .chat_view import ChatView, half_blocks
from .slash_commands import COMMANDS, Leave, run_command


class TerminalChat(ChatView):
    """Reads messages and commands, and carries them out."""

    def run(self) -> None:
        """Runs until Ctrl-D or /quit. Without a terminal on stdin, each line is a message."""
        interactive = sys.stdin.isatty() and self.console.is_terminal
        if self.console.is_terminal:
            _probe_terminal()
        self.greet()
        if unjudged := self.sessions.agent.no_critic_reason:
            self.console.print(f"note: {unjudged}", style="yellow", markup=False)
        if interactive:
            signal.signal(signal.SIGINT, lambda *_: None)  # ignore a press after the drawing has ended
            threading.Thread(target=self.sessions.agent.warm_up, daemon=True).start()
        for line in _prompted(self) if interactive else _piped(self.console):
            try:
                self.take(line)
            except Leave:
                break
        self.console.print(f"Kept. Go on with: ditpipe chat --session {self.session.id}", style="dim", highlight=False)

    def take(self, line: str) -> None:
        """A message, or a command that begins with '/'. Raises Leave."""
        line = line.strip()
        if not line:
            return
        try:
            if line.startswith("/"):
                run_command(self, line)
            else:
                message = self.chosen(line)
                if message != line:
                    self.console.print(f"> {message}", style="bold", markup=False, highlight=False)
                self.follow(self.session.say(message))
        except (DitpipeError, ValueError) as error:
            self.console.print(one_line(error), style="red", markup=False)


def _probe_terminal() -> None:
    """Detects how this terminal can show pictures, before anything is written to it or typed into it."""
    logging.getLogger("textual_image").setLevel(logging.ERROR)  # silent if the terminal does not answer
    from PIL import Image

    Console(file=StringIO()).print(half_blocks(Image.new("RGB", (2, 2)), 2))  # queries the size of a character, once


def _piped(console: Console) -> Iterator[str]:
    """Messages from a pipe or a file, one per line, each echoed as if it had been typed."""
    for line in sys.stdin:
        if line.strip():
            console.print(f"\n> {line.strip()}", style="bold", markup=False, highlight=False)
            yield line


def _prompted(chat: TerminalChat) -> Iterator[str]:
    """Messages from the prompt, with history, completion and suggestions."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
    from prompt_toolkit.completion import FuzzyWordCompleter, ThreadedCompleter
    from prompt_toolkit.formatted_text import HTML
    from prompt_toolkit.history import FileHistory

    store = chat.sessions.store.folder
    prompt: PromptSession[str] = PromptSession(
        history=FileHistory(str(store / "history")), auto_suggest=AutoSuggestFromHistory()
    )
    while True:
        plan = chat.session.plan
        words = [*COMMANDS, *(region.name for region in plan.regions)] if plan else list(COMMANDS)
        completer = ThreadedCompleter(FuzzyWordCompleter(words, WORD=True))
        try:
            line = prompt.prompt(HTML("<b>> </b>"), completer=completer, complete_while_typing=False)
        except KeyboardInterrupt:
            chat.console.print("Nothing is being drawn. Ctrl-D leaves.", style="dim")
            continue
        except EOFError:
            return
        yield line
