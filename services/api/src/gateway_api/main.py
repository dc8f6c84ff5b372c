"""The API process, read top to bottom: built, started, stopped in reverse."""

import asyncio
from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request
from starlette.responses import Response
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gateway_api.answers import answer, respond
from gateway_api.auth import Authenticator
from gateway_api.callbacks.readers import build_readers
from gateway_api.callbacks.routes import callback_routes
from gateway_api.callbacks.service import CallbackService
from gateway_api.checkout.routes import checkout_routes
from gateway_api.checkout.service import CheckoutService
from gateway_api.errors import install_error_handlers
from gateway_api.errors_page import errors_page
from gateway_api.events.routes import event_routes
from gateway_api.idempotency import Idempotency
from gateway_api.idempotency_keys.routes import idempotency_routes
from gateway_api.jobs.routes import job_routes
from gateway_api.key_uses import KeyUses
from gateway_api.keys.routes import key_routes
from gateway_api.keys.service import KeyService
from gateway_api.ledger.routes import ledger_routes
from gateway_api.limits import RateLimiter
from gateway_api.middleware import CheckoutCors, RequestContext
from gateway_api.openapi import ERRORS, TAGS, DescribedApp, operation_id
from gateway_api.orders.routes import order_routes
from gateway_api.orders.service import OrderService
from gateway_api.payments.routes import payment_routes
from gateway_api.payments.service import PaymentService
from gateway_api.refunds.routes import refund_routes
from gateway_api.refunds.service import RefundService
from gateway_api.routing import StrictRouter
from gateway_api.settings import ApiSettings
from gateway_api.simulator.page import bank_page
from gateway_api.simulator.routes import outcome_routes
from gateway_api.simulator.service import BankService
from gateway_api.timeline.routes import timeline_routes
from gateway_api.token_buckets import TokenBuckets
from gateway_api.webhooks.check_routes import signature_check_routes
from gateway_api.webhooks.check_service import SignatureCheckService
from gateway_api.webhooks.delivery_routes import webhook_delivery_routes
from gateway_api.webhooks.delivery_service import WebhookDeliveryService
from gateway_api.webhooks.replay_routes import webhook_replay_routes
from gateway_api.webhooks.replay_service import WebhookReplayService
from gateway_api.webhooks.routes import webhook_routes
from gateway_api.webhooks.secret_routes import webhook_secret_routes
from gateway_api.webhooks.secret_service import WebhookSecretService
from gateway_api.webhooks.service import WebhookService
from gateway_common.clock import Clock, system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.db.schema import schema_check
from gateway_common.logs import configure_logs, get_logger
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import PAYMENTS_STREAM, WEBHOOKS_STREAM
from gateway_common.queue.ringer import TIMEOUT_SECONDS, Ringer
from gateway_common.serving import Health, http_server, operations_app, serve, stop_on_signals

SERVICE = "api"


def create_app(routers: Sequence[StrictRouter], health: Health, settings: ApiSettings) -> FastAPI:
    """The ASGI app around the given routes."""
    app = DescribedApp(
        title="Payment gateway",
        version="1.0.0",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=ERRORS,
        openapi_tags=TAGS,
        generate_unique_id_function=operation_id,
    )
    app.add_middleware(CheckoutCors)
    app.add_middleware(RequestContext, body_max_bytes=settings.body_max_bytes, clock=system_clock)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    install_error_handlers(app)
    for router in (*routers, errors_page()):
        app.include_router(router)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz(_: Request) -> Response:
        status, content = await health.ready()
        return respond(answer(status, content))

    return app


def merchant_routers(
    database: Database,
    keyring: Keyring,
    ringer: Ringer,
    authenticator: Authenticator,
    *,
    live_ports: frozenset[int],
    clock: Clock,
) -> list[StrictRouter]:
    """Everything that a merchant's keys open."""
    idempotency = Idempotency(database, keyring, clock)
    payments = PaymentService(database, idempotency, ringer, keyring, clock)
    endpoints = WebhookService(database, idempotency, ringer, keyring, clock, live_ports=live_ports)
    return [
        order_routes(OrderService(database, idempotency, clock), authenticator),
        payment_routes(payments, authenticator),
        timeline_routes(database, authenticator),
        refund_routes(RefundService(database, idempotency, ringer, clock), authenticator),
        event_routes(database, authenticator),
        ledger_routes(database, authenticator),
        webhook_routes(endpoints, authenticator),
        webhook_secret_routes(WebhookSecretService(database, idempotency, keyring, clock), authenticator),
        webhook_replay_routes(WebhookReplayService(database, idempotency, ringer, clock), authenticator),
        webhook_delivery_routes(WebhookDeliveryService(database, idempotency, ringer, clock), authenticator),
        signature_check_routes(SignatureCheckService(idempotency, keyring, clock), authenticator),
        key_routes(KeyService(database, idempotency, keyring, clock), authenticator),
        idempotency_routes(idempotency, authenticator),
        checkout_routes(CheckoutService(database, payments, keyring, clock), authenticator),
    ]


def tester_routers(
    database: Database,
    keyring: Keyring,
    ringer: Ringer,
    authenticator: Authenticator,
    *,
    bells: Mapping[str, DoorbellBroker],
    clock: Clock,
) -> list[StrictRouter]:
    """What exists in test mode only."""
    bank = BankService(database, Idempotency(database, keyring, clock), ringer, clock)
    return [job_routes(database, bells), outcome_routes(bank, authenticator), bank_page(bank, clock)]


async def main() -> None:
    settings = ApiSettings()
    configure_logs(SERVICE, level=settings.log_level, style=settings.log_format)
    log = get_logger()
    stop, drained = stop_on_signals(), asyncio.Event()

    database = Database(
        settings.database_url, application_name=f"gateway-{SERVICE}", pool_size=settings.database_pool_size
    )
    bells = {
        name: DoorbellBroker(settings.redis_url, stream=stream, consumer=SERVICE, timeout_seconds=TIMEOUT_SECONDS)
        for name, stream in (("payments", PAYMENTS_STREAM), ("webhooks", WEBHOOKS_STREAM))
    }
    ringer = Ringer(bells["payments"], bells["webhooks"])
    keyring = Keyring(settings.gateway_master_key.get_secret_value())
    uses = KeyUses(database)
    buckets = TokenBuckets(settings.redis_url)
    limiter = RateLimiter(buckets, per_key=settings.key_limit, per_address=settings.address_limit)
    authenticator = Authenticator(database, keyring, system_clock, uses, limiter)
    routers = merchant_routers(
        database, keyring, ringer, authenticator, live_ports=settings.webhook_live_ports, clock=system_clock
    )
    callbacks = CallbackService(database, ringer, build_readers(settings), system_clock)
    routers.append(callback_routes(callbacks, limiter))
    if settings.test_mode:
        routers += tester_routers(database, keyring, ringer, authenticator, bells=bells, clock=system_clock)
    health = Health(needed={"postgresql": schema_check(database)}, wanted={"redis": bells["payments"].check})
    app = create_app(routers, health, settings)

    background = [asyncio.create_task(ringer.run(drained)), asyncio.create_task(uses.run(drained))]
    log.info("api.started", port=settings.port, test_mode=settings.test_mode)
    await serve(
        http_server(app, settings.host, settings.port),
        http_server(operations_app(health), settings.host, settings.metrics_port),
        stop=stop,
    )
    drained.set()
    await asyncio.gather(*background)
    for bell in bells.values():
        await bell.shutdown()
    await buckets.close()
    await database.close()
    log.info("api.stopped")
