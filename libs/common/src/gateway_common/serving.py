"""How every process serves HTTP and stops: uvicorn inside our own loop, our own signals, one operations port.

The operations port (`METRICS_PORT`) answers /healthz, /readyz and /metrics; the rest is in each main.
"""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import orjson
import uvicorn
import uvloop
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Check = Callable[[], Awaitable[str]]
"""Answers `ok`, or in a few words what is wrong; a check that raises counts as wrong too."""

CHECK_TIMEOUT_SECONDS = 2.0
HEAD_MAX_BYTES = 64 * 1024
"""Of the request line and all headers; what comes in one read may be longer, and that is bounded too."""
_HEAD_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
GC_THRESHOLDS = (20_000, 20, 20)
"""A batch of requests makes thousands of objects that die by themselves; looking for rings among them can wait."""
_Asgi = Callable[[Any, Any, Any], Awaitable[None]]


class Health:
    """Readiness by dependency. `needed` ones make the process unready, the others only degrade it."""

    def __init__(self, *, needed: Mapping[str, Check], wanted: Mapping[str, Check] | None = None) -> None:
        self._needed = dict(needed)
        self._wanted = dict(wanted or {})
        self.draining = False

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """Ask every dependency at once; the HTTP status and body of /readyz."""
        checks = {**self._needed, **self._wanted}
        answers = dict(zip(checks, await asyncio.gather(*map(_ask, checks.values())), strict=True))
        broken = {name for name, answer in answers.items() if answer != "ok"}
        if self.draining or broken & self._needed.keys():
            status = "draining" if self.draining else "unready"
        else:
            status = "degraded" if broken else "ready"
        code = 200 if status in {"ready", "degraded"} else 503
        return code, {"status": status, "dependencies": answers}


async def _ask(check: Check) -> str:
    try:
        return await asyncio.wait_for(check(), CHECK_TIMEOUT_SECONDS)
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_SECONDS:.0f} s"
    except Exception as error:  # noqa: BLE001 -- whatever a dependency does, the probe must answer.
        return f"{type(error).__name__}"


def operations_app(health: Health) -> _Asgi:
    """The ASGI app of the operations port. Plain ASGI: three fixed paths need no framework."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        match scope["path"]:
            case "/healthz":
                status, kind, body = 200, b"application/json", b'{"status":"ok"}'
            case "/readyz":
                status, answer = await health.ready()
                kind, body = b"application/json", orjson.dumps(answer)
            case "/metrics":
                status, kind, body = 200, CONTENT_TYPE_LATEST.encode(), generate_latest()
            case _:
                status, kind, body = 404, b"text/plain", b"Here are /healthz, /readyz and /metrics.\n"
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


class BoundedHead(HttpToolsProtocol):
    """uvicorn's protocol with an end to what it collects: it would keep a head of any length, and read a long one ever
    more slowly. 300 MB of one header held the loop for minutes and took 600 MB.
    """

    _unread = 0
    """Bytes since the parser last finished something: a head, a piece of a body, a request."""

    def data_received(self, data: bytes) -> None:
        self._unread += len(data)
        super().data_received(data)
        if self._unread > HEAD_MAX_BYTES and not self.transport.is_closing():
            self.transport.write(_HEAD_TOO_LONG)
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread = 0
        super().on_message_complete()


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def http_server(app: Any, host: str, port: int, *, drain_seconds: int = 20) -> uvicorn.Server:
    """A server for `app`; run it with `serve`. Access logs are the app's business, so uvicorn's are off."""
    config = uvicorn.Config(
        app,
        http=BoundedHead,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        # uvicorn would believe X-Forwarded-For from any process on this machine.
        proxy_headers=False,
        date_header=True,
        lifespan="off",
        timeout_graceful_shutdown=drain_seconds,
    )
    return _Server(config)


async def serve(*servers: uvicorn.Server, stop: asyncio.Event) -> None:
    """Run the servers until `stop` is set, then let each finish the requests it has.

    A server that ends by itself (its port is taken) stops the others and raises SystemExit.
    """
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
    failed = not stopping.done()
    for server in servers:
        server.should_exit = True
    stopping.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
    if failed:
        raise SystemExit(1)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a process's `main` on uvloop."""

    async def started() -> None:
        await main()

    # What was imported lives as long as the process. Left unfrozen, each full collection walks it: a tenth of a second
    # in which no request is answered.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(started())
