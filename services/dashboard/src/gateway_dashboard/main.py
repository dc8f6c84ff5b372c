"""The dashboard process, read top to bottom: built, started, stopped in reverse."""

from typing import Final

import httpx
from fastapi import FastAPI

from gateway_common.logs import configure_logs, get_logger
from gateway_common.serving import Health, http_server, operations_app, serve, stop_on_signals
from gateway_dashboard.api import Api
from gateway_dashboard.pages import install_error_pages
from gateway_dashboard.payments.routes import payment_routes
from gateway_dashboard.public import public_routes
from gateway_dashboard.settings import DashboardSettings
from gateway_dashboard.webhooks.routes import webhook_routes

SERVICE: Final = "dashboard"
API_TIMEOUT_SECONDS: Final = 5.0


def create_app(api: Api, health: Health) -> FastAPI:
    """The ASGI app around one API."""
    app = FastAPI(title="Payment gateway dashboard", openapi_url=None, redirect_slashes=False)
    install_error_pages(app)
    for router in (payment_routes(api), webhook_routes(api), public_routes(health)):
        app.include_router(router)
    return app


def create_client(settings: DashboardSettings) -> httpx.AsyncClient:
    """The connections to the API: straight, whatever proxy the environment names."""
    return httpx.AsyncClient(base_url=str(settings.api_url), timeout=API_TIMEOUT_SECONDS, trust_env=False)


async def main() -> None:
    settings = DashboardSettings()
    configure_logs(SERVICE, level=settings.log_level, style=settings.log_format)
    log = get_logger()
    stop = stop_on_signals()

    async with create_client(settings) as client:
        api = Api(client)
        # Without the API a page says so, which is better than a page that can't be reached.
        health = Health(needed={}, wanted={"api": api.check})
        app = create_app(api, health)

        log.info("dashboard.started", port=settings.port, api=str(settings.api_url))
        await serve(
            http_server(app, settings.host, settings.port),
            http_server(operations_app(health), settings.host, settings.metrics_port),
            stop=stop,
        )
    log.info("dashboard.stopped")
