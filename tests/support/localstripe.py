"""localstripe as a process of its own, and a door before it for what Stripe documents and localstripe lacks.

The door keeps Idempotency-Keys, takes a card with the confirmation of a PaymentIntent, and can be told to fall silent.
"""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import httpx
import uvicorn
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.support.patience import wait_until

from gateway_cli.local.ports import find_free_ports

SECRET_KEY = "sk_test_localstripe"
SILENT_CARD = "4000000000000119"
"""Its confirmation is carried out and never answered."""
DECLINED_CARD = "4000000000000341"
"""The card that localstripe declines when it is charged; 4000000000000002 it declines only for a customer to keep."""


@contextmanager
def running_localstripe() -> Iterator[str]:
    """Run localstripe on a free port, with nothing in it; yields its address."""
    (port,) = find_free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _listens(port), "localstripe listens", timeout_seconds=30)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Kept:
    """What came first under an Idempotency-Key, and its answer once there is one."""

    path: str
    form: bytes
    status: int = 0
    content: bytes = b""
    is_answered: bool = False


@dataclass
class Door:
    """Answers as Stripe does: the same key again is answered again, at once with 409, with another form with 400."""

    url: str
    stripe: httpx.AsyncClient
    asked: list[str] = field(default_factory=list)
    """Method and path of every request, in order."""
    _kept: dict[str, Kept] = field(default_factory=dict)

    async def answer(self, request: Request) -> Response:
        self.asked.append(f"{request.method} {request.url.path}")
        form, key = await request.body(), request.headers.get("Idempotency-Key")
        if key is None:
            answer = await self._forward(request, form)
            return Response(answer.content, answer.status_code, media_type="application/json")
        kept = self._kept.get(key)
        if kept is not None:
            return _again(kept, request, form)
        kept = self._kept[key] = Kept(request.url.path, form)
        # The client may leave: the answer is kept all the same.
        await asyncio.shield(asyncio.create_task(self._keep(kept, request, form)))
        if _card_in(form).get("number") == SILENT_CARD:
            while (await request.receive())["type"] != "http.disconnect":
                pass
        return Response(kept.content, kept.status, media_type="application/json")

    async def _keep(self, kept: Kept, request: Request, form: bytes) -> None:
        answer = await self._forward(request, form)
        kept.status, kept.content, kept.is_answered = answer.status_code, answer.content, True

    async def _forward(self, request: Request, form: bytes) -> httpx.Response:
        headers = {"Authorization": request.headers.get("Authorization", "")}
        path, card = request.url.path, _card_in(form)
        if card:
            await self._give_card(path.removesuffix("/confirm"), card, headers)
            form = b""
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return await self.stripe.request(
            request.method, path, params=request.query_params, content=form, headers=headers
        )

    async def _give_card(self, intent_path: str, card: dict[str, str], headers: dict[str, str]) -> None:
        """Make a payment method of the card and give it to the intent, which Stripe does with its confirmation."""
        if (await self.stripe.get(intent_path, headers=headers)).json()["status"] == "requires_payment_method":
            fields = {"type": "card"} | {f"card[{name}]": value for name, value in card.items()}
            made = await self.stripe.post("/v1/payment_methods", data=fields, headers=headers)
            await self.stripe.post(intent_path, data={"payment_method": made.json()["id"]}, headers=headers)


def _card_in(form: bytes) -> dict[str, str]:
    prefix = "payment_method_data[card]["
    fields = parse_qsl(form.decode())
    return {name.removeprefix(prefix)[:-1]: value for name, value in fields if name.startswith(prefix)}


def _again(kept: Kept, request: Request, form: bytes) -> Response:
    if (kept.path, kept.form) != (request.url.path, form):
        error = {"type": "idempotency_error", "message": "Keys can only be used with the same parameters."}
        return JSONResponse({"error": error}, 400)
    if not kept.is_answered:
        error = {"type": "invalid_request_error", "code": "idempotency_key_in_use"}
        return JSONResponse({"error": error}, 409)
    headers = {"Idempotent-Replayed": "true"}
    return Response(kept.content, kept.status, headers=headers, media_type="application/json")


@asynccontextmanager
async def _open_door(localstripe_url: str) -> AsyncIterator[Door]:
    listener = socket.create_server(("127.0.0.1", 0))
    async with httpx.AsyncClient(base_url=localstripe_url, trust_env=False, timeout=20) as stripe:
        door = Door(f"http://127.0.0.1:{listener.getsockname()[1]}", stripe)
        app = Starlette(routes=[Route("/{path:path}", door.answer, methods=["GET", "POST", "DELETE"])])
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield door
        finally:
            server.should_exit = True
            await serving


@contextmanager
def door_in_thread(localstripe_url: str) -> Iterator[Door]:
    """A door on a free port, in a thread of its own: in the main one its server would take the signals for itself."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_open_door(localstripe_url)) as door:
        yield door
