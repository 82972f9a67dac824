"""A chat-completions server on loopback that answers from a queue, and keeps what it was sent."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Answer:
    """What the server sends; `late`: seconds before it does."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    late: float = 0.0


@dataclass
class ChatServer:
    """`url` is the base URL; `sent` the JSON of every request, `headers` their headers."""

    url: str
    answers: list[Answer]
    sent: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def says(content: Any, *, finish_reason: str = "stop", **message: Any) -> Answer:
    """A chat completion with this content; `message` adds to its message."""
    message = {"role": "assistant", "content": content} | message
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return Answer({"id": "1", "object": "chat.completion", "created": 1, "model": "any", "choices": [choice]})


def calls_tool(arguments: Any) -> Answer:
    """A chat completion that calls a tool."""
    call = {"id": "1", "type": "function", "function": {"name": "any", "arguments": arguments}}
    return says(None, finish_reason="tool_calls", tool_calls=[call])


def refuses(status: int, words: str, *, headers: dict[str, str] | None = None, **about: Any) -> Answer:
    """OpenAI's form of an error; `about`: its code, its param."""
    return Answer({"error": {"message": words, "type": "error"} | about}, status, headers or {})


@contextmanager
def chat_server(*answers: Answer) -> Iterator[ChatServer]:
    """A server with these answers, one a request; fails if some are left over, and answers 418 to more."""
    queue = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.sent.append(json.loads(body))
            state.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer = queue.pop(0) if queue else refuses(418, "asked more often than scripted")
            time.sleep(answer.late)
            content = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            kind = "text/html" if isinstance(answer.body, str) else "application/json"
            self.send_response(answer.status)
            for name, value in ({"content-type": kind, "content-length": str(len(content))} | answer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(content.encode())
            except ConnectionError:  # a client that did not wait
                pass

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = ChatServer(f"http://127.0.0.1:{server.server_address[1]}/v1", queue)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert not queue, f"{len(queue)} answers were never asked for"
