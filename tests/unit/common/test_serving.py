"""Readiness says which dependency is missing and whether the process can do without; the operations port shows it."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from gateway_common.serving import Health, operations_app, serve


async def ok() -> str:
    return "ok"


async def old_schema() -> str:
    return "schema 0001, needed 0002"


async def refused() -> str:
    raise ConnectionRefusedError("postgres:5432 with its secrets")


async def silent() -> str:
    await asyncio.sleep(60)
    return "ok"


async def test_all_dependencies_there_is_ready() -> None:
    status, body = await Health(needed={"postgresql": ok}, wanted={"redis": ok}).ready()

    assert (status, body) == (200, {"status": "ready", "dependencies": {"postgresql": "ok", "redis": "ok"}})


async def test_a_process_that_needs_nothing_is_ready() -> None:
    assert await Health(needed={}).ready() == (200, {"status": "ready", "dependencies": {}})


async def test_without_what_is_only_wanted_it_is_degraded_but_serves() -> None:
    status, body = await Health(needed={"postgresql": ok}, wanted={"redis": refused}).ready()

    assert (status, body["status"]) == (200, "degraded")


async def test_without_what_is_needed_it_is_unready() -> None:
    status, body = await Health(needed={"postgresql": refused}, wanted={"redis": ok}).ready()

    assert (status, body["status"]) == (503, "unready")
    assert body["dependencies"] == {"postgresql": "ConnectionRefusedError", "redis": "ok"}


async def test_an_old_schema_is_named() -> None:
    status, body = await Health(needed={"postgresql": old_schema}).ready()

    assert status == 503
    assert body["dependencies"] == {"postgresql": "schema 0001, needed 0002"}


async def test_a_draining_process_is_not_ready_whatever_is_there() -> None:
    health = Health(needed={"postgresql": ok})
    health.draining = True

    status, body = await health.ready()

    assert (status, body["status"]) == (503, "draining")


async def test_a_dependency_that_does_not_answer_is_not_waited_for() -> None:
    started = asyncio.get_running_loop().time()

    status, body = await Health(needed={"postgresql": silent}, wanted={"redis": silent}).ready()

    assert status == 503
    assert body["dependencies"] == {"postgresql": "no answer within 2 s", "redis": "no answer within 2 s"}
    assert asyncio.get_running_loop().time() - started < 3.5


async def get(app: Any, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://operations") as client:
        return await client.get(path)


async def test_the_operations_port_answers_that_it_lives() -> None:
    response = await get(operations_app(Health(needed={"postgresql": refused})), "/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(("check", "status"), [(ok, 200), (refused, 503)])
async def test_the_operations_port_tells_readiness(check: Any, status: int) -> None:
    response = await get(operations_app(Health(needed={"postgresql": check})), "/readyz")

    assert response.status_code == status
    assert orjson.loads(response.content)["dependencies"].keys() == {"postgresql"}


async def test_the_operations_port_shows_metrics_to_prometheus() -> None:
    response = await get(operations_app(Health(needed={})), "/metrics")

    assert response.headers["content-type"].startswith("text/plain")
    assert "gateway_http_requests_total" in response.text


async def test_the_operations_port_says_what_is_there() -> None:
    response = await get(operations_app(Health(needed={})), "/")

    assert response.status_code == 404
    assert "/readyz" in response.text


async def test_serving_nothing_ends_when_told_to() -> None:
    stop = asyncio.Event()
    stop.set()

    await asyncio.wait_for(serve(stop=stop), 5)
