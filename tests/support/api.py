"""The API inside the test's own loop, built as gateway_api.main builds it, and a merchant's client for it.

PostgreSQL and Redis are real; what the processor would do to a payment is done here through the same rules and store.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import httpx
from fastapi import FastAPI

from gateway_api.auth import Authenticator
from gateway_api.callbacks.routes import callback_routes
from gateway_api.callbacks.service import CallbackService
from gateway_api.key_uses import KeyUses
from gateway_api.limits import RateLimiter
from gateway_api.main import create_app, merchant_routers, tester_routers
from gateway_api.settings import ApiSettings
from gateway_api.token_buckets import TokenBuckets
from gateway_common.callbacks.model import CallbackReader
from gateway_common.clock import Clock, system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.db.schema import schema_check
from gateway_common.merchants.model import ALL_SCOPES, ApiKey
from gateway_common.merchants.seed import TEST_KEY, TEST_SECRET
from gateway_common.merchants.store import save_api_key, save_merchant
from gateway_common.payments.model import PaymentStatus, authorize, complete_capture, move
from gateway_common.payments.store import PaymentChange, find_payments, save_payment
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import PAYMENTS_STREAM, WEBHOOKS_STREAM
from gateway_common.queue.ringer import TIMEOUT_SECONDS, Ringer
from gateway_common.serving import Health

KEYS: Final = {"X-Api-Key": TEST_KEY, "X-Api-Secret": TEST_SECRET}
NEW_PAYMENT: Final = {"amount": 50_000, "currency": "INR", "method": "upi", "vpa": "test@upi"}
# Nobody listens on port 9: connections to it are refused at once.
NO_DATABASE: Final = "postgresql://nobody@127.0.0.1:9/nothing"
NO_REDIS: Final = "redis://127.0.0.1:9/0"


@dataclass(frozen=True)
class Api:
    """The app, a client with the test merchant's keys, and the database behind both."""

    app: FastAPI
    client: httpx.AsyncClient
    database: Database
    keyring: Keyring
    uses: KeyUses

    def browser(self, **headers: str) -> httpx.AsyncClient:
        """A client with these headers and no others."""
        return httpx.AsyncClient(transport=self.client._transport, base_url="http://api", headers=headers)

    async def create(self, **changes: Any) -> dict[str, Any]:
        """A payment created over HTTP, as the answer shows it."""
        created: dict[str, Any] = expect(201, await self.client.post("/api/v1/payments", json=NEW_PAYMENT | changes))
        return created

    async def create_authorized(self, **changes: Any) -> str:
        """The id of a payment that the provider said yes to."""
        payment_id: str = (await self.create(**changes))["id"]
        await self.authorize(payment_id)
        return payment_id

    async def create_captured(self, **changes: Any) -> str:
        """The id of a payment whose capture is decided."""
        payment_id = await self.create_authorized(**changes)
        expect(200, await self.client.post(f"/api/v1/payments/{payment_id}/capture"))
        return payment_id

    async def authorize(self, payment_id: str) -> None:
        """Do as the processor does when the provider said yes."""
        async with self.database.transaction() as connection:
            pending = (await find_payments(connection, [payment_id]))[payment_id]
            processing = move(pending, PaymentStatus.PROCESSING, system_clock())
            await save_payment(connection, PaymentChange(before=pending, after=processing))
            authorized = authorize(processing, system_clock(), authorization_ttl=timedelta(days=7))
            await save_payment(connection, PaymentChange(before=processing, after=authorized))

    async def complete_capture(self, payment_id: str) -> None:
        """Do as the processor does when the provider took the money."""
        async with self.database.transaction() as connection:
            before = (await find_payments(connection, [payment_id]))[payment_id]
            after = complete_capture(before, system_clock())
            await save_payment(connection, PaymentChange(before=before, after=after))

    async def add_key(self, key_id: str, merchant_id: str, secret: str, **changes: Any) -> dict[str, str]:
        """Give a merchant a key, the merchant made if it is new; the headers that use it."""
        values = {"livemode": key_id.startswith("key_live_"), "name": None, "scopes": ALL_SCOPES} | changes
        name = f"Merchant {merchant_id}"
        hashed = self.keyring.hash_secret(secret)
        async with self.database.transaction() as connection:
            await save_merchant(connection, merchant_id, name, system_clock())
            key = ApiKey(
                id=key_id,
                merchant_id=merchant_id,
                merchant_name=name,
                merchant_fee_basis_points=0,
                secret_hash=hashed,
                created_at=system_clock(),
                **values,
            )
            await save_api_key(connection, key)
        return {"X-Api-Key": key_id, "X-Api-Secret": secret}


def expect(status: int, response: httpx.Response) -> Any:
    """The JSON of a response that must have this status."""
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    return response.json()


def expect_error(status: int, code: str, response: httpx.Response) -> str:
    """The message of an error that must have this status and code, in the one shape all errors have."""
    error = expect(status, response)["error"]
    assert error.keys() == {"code", "message", "param", "request_id", "retryable", "doc_url"}
    assert error["code"] == code
    assert error["request_id"] == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    message: str = error["message"]
    return message


@asynccontextmanager
async def running_api(
    database_url: str,
    redis_url: str,
    master_key: str,
    *,
    test_mode: bool = True,
    clock: Clock = system_clock,
    readers: Mapping[str, CallbackReader] = {},
    **more_settings: Any,
) -> AsyncIterator[Api]:
    """Build the API as gateway_api.main does, and run its ringer; a test holds the two builds equal."""
    settings = ApiSettings(
        database_url=database_url,
        redis_url=redis_url,
        gateway_master_key=master_key,
        test_mode=test_mode,
        **more_settings,
    )
    database = Database(settings.database_url, application_name="test-api", pool_size=settings.database_pool_size)
    bells = {
        name: DoorbellBroker(redis_url, stream=stream, consumer="test-api", timeout_seconds=TIMEOUT_SECONDS)
        for name, stream in (("payments", PAYMENTS_STREAM), ("webhooks", WEBHOOKS_STREAM))
    }
    ringer = Ringer(bells["payments"], bells["webhooks"])
    buckets = TokenBuckets(redis_url)
    limiter = RateLimiter(buckets, per_key=settings.key_limit, per_address=settings.address_limit)
    keyring = Keyring(master_key)
    uses = KeyUses(database)
    authenticator = Authenticator(database, keyring, clock, uses, limiter)
    app = create_app(
        merchant_routers(database, keyring, ringer, authenticator, live_ports=settings.webhook_live_ports, clock=clock)
        + [callback_routes(CallbackService(database, ringer, readers, clock), limiter)]
        + (tester_routers(database, keyring, ringer, authenticator, bells=bells, clock=clock) if test_mode else []),
        Health(needed={"postgresql": schema_check(database)}, wanted={"redis": bells["payments"].check}),
        settings,
    )
    stop = asyncio.Event()
    ringing = asyncio.create_task(ringer.run(stop))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://api", headers=KEYS, timeout=30
    ) as client:
        yield Api(app, client, database, keyring, uses)
    stop.set()
    await ringing
    for bell in bells.values():
        await bell.shutdown()
    await buckets.close()
    await database.close()
