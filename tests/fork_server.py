"""The command `ditpipe` in forks of a process that has imported what commands load: `python fork_server.py SOCKET`.

Importing torch, diffusers and transformers takes several times as long as what a test does with a command. A fork has
them at once, and otherwise is a process like any other: arguments, folder, environment, streams, signals, exit code.
"""

import gc
import json
import os
import signal
import socket
import struct
import sys
import threading


def preload() -> None:
    """Imports what drawing loads. Starts no thread: a lock that a thread holds at a fork stays locked in the fork."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # as the command does before it imports transformers
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from diffusers import (  # noqa: F401
        AutoencoderKL,
        DDPMScheduler,
        HunyuanDiT2DControlNetModel,
        HunyuanDiTPipeline,
    )
    from transformers import BertModel, BertTokenizer, T5EncoderModel  # noqa: F401

    import ditpipe.agent.agent
    import ditpipe.agent.chat.session
    import ditpipe.agent.cli.main
    import ditpipe.agent.wiring
    import ditpipe.renderer.families.hunyuan
    import ditpipe.renderer.pipeline  # noqa: F401

    assert threading.active_count() == 1
    gc.freeze()  # a collection in a fork would copy the memory of all that is imported here


def wait_for_command(requests: socket.socket) -> bool:
    """Answers requests until the other end is closed, then returns False. Returns True in a fork that is the command.

    A request is one byte and five open files: JSON (arguments, cwd, environment); standard input, output and error; and
    a pipe that is sent the command's process id and, at its end, its status as `os.waitpid` returns it, 4 bytes each.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the forks that wait for a command leave no zombies
    while True:
        message, files, _, _ = socket.recv_fds(requests, 1, 5)
        if not message:
            return False
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, *standard, reports = files
    command = os.fork()
    if command:
        try:
            os.write(reports, struct.pack("i", command))
            os.write(reports, struct.pack("i", os.waitpid(command, 0)[1]))
        finally:  # the tests may have ended meanwhile
            os._exit(0)
    os.close(reports)
    become(request, standard)
    return True


def become(request: int, standard: list[int]) -> None:
    """Takes over the arguments, the folder, the environment and the standard files of a request."""
    with os.fdopen(request, "rb") as file:
        asked = json.load(file)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["ditpipe", *asked["arguments"]]
    for descriptor, given in enumerate(standard):
        os.dup2(given, descriptor)
        os.close(given)


if __name__ == "__main__":
    preload()
    if wait_for_command(socket.socket(fileno=int(sys.argv[1]))):
        from ditpipe.agent.cli.main import main

        main()
