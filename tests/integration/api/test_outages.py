"""Without PostgreSQL the API says so and comes back by itself; without Redis nobody notices."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import text
from tests.support.api import NEW_PAYMENT, NO_DATABASE, NO_REDIS, Api, expect, expect_error, running_api
from tests.support.waiting import wait_until

PAYMENTS = "/api/v1/payments"
QUICK_SECONDS = 0.5


def shut_out(owner_url: str, *, allowed: bool) -> None:
    """Let the server end all sessions of this database and refuse new ones, or let it in again."""
    server, _, name = owner_url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        change = SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
        connection.execute(change.format(Identifier(name), SQL("true" if allowed else "false")))
        if not allowed:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


async def test_without_postgresql_every_route_says_whether_it_may_be_tried_again(
    redis_url: str, master_key: str
) -> None:
    async with running_api(NO_DATABASE, redis_url, master_key) as api:
        unrepeatable = await api.client.post(PAYMENTS, json=NEW_PAYMENT)
        responses = [
            await api.client.get(PAYMENTS),
            await api.client.post(f"{PAYMENTS}/pay_1/capture", headers={"Idempotency-Key": "a-key-of-mine"}),
            await api.client.get("/api/v1/checkout/orders/ord_1"),
            await api.client.get("/api/v1/test/jobs/status"),
        ]
        ready = await api.client.get("/readyz")
        alive = await api.client.get("/healthz")

    expect_error(503, "unavailable", unrepeatable)
    assert unrepeatable.json()["error"]["retryable"] is False, "without a key, sending it again might pay twice"
    for response in responses:
        message = expect_error(503, "unavailable", response)
        assert message == "The database does not answer. Try again."
        assert response.json()["error"]["retryable"] is True
        assert response.headers["retry-after"] == "1"
    assert expect(503, ready)["status"] == "unready"
    assert alive.status_code == 200


async def test_after_an_outage_of_postgresql_creates_work_again_and_nothing_is_half_made(
    api: Api, owner_url: str
) -> None:
    before = await api.create()

    shut_out(owner_url, allowed=False)
    during = await asyncio.gather(*(api.client.post(PAYMENTS, json=NEW_PAYMENT) for _ in range(20)))
    shut_out(owner_url, allowed=True)

    async def works_again() -> bool:
        return (await api.client.get(PAYMENTS)).status_code == 200

    await wait_until(works_again)
    after = await asyncio.gather(*(api.create() for _ in range(20)))
    for response in during:
        expect_error(503, "unavailable", response)
    async with api.database.statement() as connection:
        stored = set((await connection.scalars(text("SELECT id FROM payments"))).all())
        told_of = set((await connection.scalars(text("SELECT object_id FROM events"))).all())
    assert stored == told_of == {payment["id"] for payment in [before, *after]}


@asynccontextmanager
async def black_hole() -> AsyncIterator[int]:
    """A server that takes connections and never says a word; yields its port."""
    writers = []

    async def swallow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    yield int(server.sockets[0].getsockname()[1])
    for writer in writers:
        writer.close()
    server.close()


async def create_many(api: Api) -> list[float]:
    """The seconds that each of some creates took."""
    await api.create()
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        await api.create()
        seconds.append(time.perf_counter() - started)
    return seconds


async def test_without_redis_creates_are_neither_refused_nor_slow(database_url: str, master_key: str) -> None:
    async with running_api(database_url, NO_REDIS, master_key) as api:
        seconds = await create_many(api)
        ready = expect(200, await api.client.get("/readyz"))

    assert sorted(seconds)[10] < QUICK_SECONDS
    assert (ready["status"], ready["dependencies"]["postgresql"]) == ("degraded", "ok")


async def test_with_a_redis_that_never_answers_creates_are_neither_refused_nor_slow(
    database_url: str, master_key: str
) -> None:
    async with black_hole() as port, running_api(database_url, f"redis://127.0.0.1:{port}/0", master_key) as api:
        seconds = await create_many(api)

    assert sorted(seconds)[10] < QUICK_SECONDS
