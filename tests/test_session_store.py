"""The store of sessions: several writers at once, and a folder that cannot be written."""

import multiprocessing
import threading
from pathlib import Path
from typing import Any

import pytest
from store_writer import add_turns

from ditpipe.agent.chat.store import Store
from ditpipe.prompts.errors import RunError


@pytest.mark.process
def test_processes_and_threads_on_one_store_never_mix_sessions(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ids = [store.create().id for _ in range(2)]
    context = multiprocessing.get_context("spawn")
    workers: list[Any] = [context.Process(target=add_turns, args=(tmp_path, each, 15)) for each in ids]
    workers += [threading.Thread(target=add_turns, args=(tmp_path, each, 15)) for each in ids]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for one in ids:
        turns = store.turns(one)
        assert [turn.number for turn in turns] == list(range(1, 31))
        assert all(turn.message.startswith(one) for turn in turns)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot keep sessions"):
        Store(tmp_path / "file" / "sessions")
