"""Writes messages to a store of sessions, in threads and in processes of their own. Imports no torch."""

from pathlib import Path

from ditpipe.agent.chat.store import Store


def add_turns(folder: Path, session: str, count: int) -> None:
    store = Store(folder)
    for number in range(count):
        store.add(session, f"{session} {number}", status="done")
