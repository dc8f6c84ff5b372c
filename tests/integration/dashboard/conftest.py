"""A dashboard served over HTTP, and a small API behind it that a test fills or takes away."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import AnyHttpUrl
from starlette.responses import JSONResponse, Response
from tests.support.waiting import wait_until

from gateway_cli.local.ports import find_free_ports
from gateway_common.serving import Health, http_server, serve
from gateway_dashboard.api import Api
from gateway_dashboard.main import create_app, create_client
from gateway_dashboard.settings import DashboardSettings

LOGIN = ("key_test_abc123", "secret_test_xyz789")
_AUTHORIZATION = f"Basic {b64encode(':'.join(LOGIN).encode()).decode()}"


class StandInApi:
    """Answers paths below /api/v1/ with what a test put there; keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, Any] = {}
        self.status = 200
        self.asked: list[str] = []

    def app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)

        @app.get("/healthz")
        async def healthz() -> dict[str, str]:
            return {"status": "ok"}

        @app.get("/api/v1/{path:path}")
        async def answer(path: str, request: Request) -> Response:
            self.asked.append(f"{path}?{request.url.query}")
            if request.headers.get("authorization") != _AUTHORIZATION:
                return JSONResponse({"error": {"code": "unauthenticated"}}, 401)
            if path not in self.answers:
                return JSONResponse({"error": {"code": "not_found"}}, 404)
            return JSONResponse(self.answers[path], self.status)

        return app


def page_of(*items: dict[str, Any], next_cursor: str | None = None) -> dict[str, Any]:
    return {"object": "list", "data": list(items), "has_more": next_cursor is not None, "next_cursor": next_cursor}


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    (port,) = find_free_ports(1)
    server, stop = http_server(app, "127.0.0.1", port), asyncio.Event()
    running = asyncio.create_task(serve(server, stop=stop))
    await wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    stop.set()
    await running


@pytest.fixture
async def api() -> AsyncIterator[StandInApi]:
    stand_in = StandInApi()
    async with served(stand_in.app()) as stand_in.url:
        yield stand_in


@asynccontextmanager
async def dashboard_of(api_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at a dashboard that speaks to this API."""
    async with create_client(DashboardSettings(api_url=AnyHttpUrl(api_url))) as client:
        api = Api(client)
        app = create_app(api, Health(needed={}, wanted={"api": api.check}))
        async with served(app) as url, httpx.AsyncClient(base_url=url, auth=LOGIN, trust_env=False) as browser:
            yield browser


@pytest.fixture
async def dashboard(api: StandInApi) -> AsyncIterator[httpx.AsyncClient]:
    async with dashboard_of(api.url) as browser:
        yield browser
