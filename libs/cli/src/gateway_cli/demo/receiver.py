"""The merchant's side of a webhook: a small HTTP server that takes each request and says yes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True)
class Received:
    """A webhook as it came: header names in lower case, and the very bytes of the body."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Receiver:
    """Where to send webhooks, and those that came."""

    url: str
    inbox: asyncio.Queue[Received]


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """Listen on a free port until the end; to be entered inside the event loop that reads the inbox."""
    loop = asyncio.get_running_loop()
    inbox: asyncio.Queue[Received] = asyncio.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(204)
            self.end_headers()
            received = Received({name.lower(): value for name, value in self.headers.items()}, body)
            loop.call_soon_threadsafe(inbox.put_nowait, received)

        def log_message(self, *_: object) -> None:
            """Keep quiet: the story is told elsewhere."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield Receiver(f"http://127.0.0.1:{server.server_port}/webhooks", inbox)
        finally:
            server.shutdown()
            thread.join()
