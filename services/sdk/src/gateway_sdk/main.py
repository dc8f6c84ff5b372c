"""The checkout server, read top to bottom: built, started, stopped in reverse."""

from typing import Final

from fastapi import FastAPI

from gateway_common.logs import configure_logs, get_logger
from gateway_common.serving import Health, http_server, operations_app, serve, stop_on_signals
from gateway_sdk.assets import load_assets
from gateway_sdk.routes import asset_routes
from gateway_sdk.settings import SdkSettings

SERVICE: Final = "sdk"


def create_app(settings: SdkSettings, health: Health) -> FastAPI:
    """The ASGI app around the checkout's files."""
    app = FastAPI(title="Payment gateway checkout", openapi_url=None, redirect_slashes=False)
    app.include_router(asset_routes(load_assets(settings), health))
    return app


async def main() -> None:
    settings = SdkSettings()
    configure_logs(SERVICE, level=settings.log_level, style=settings.log_format)
    log = get_logger()
    stop = stop_on_signals()

    # Files in memory depend on nothing: a browser, not this process, speaks to the API.
    health = Health(needed={})
    app = create_app(settings, health)

    log.info("sdk.started", port=settings.port, api=settings.api_public_url)
    await serve(
        http_server(app, settings.host, settings.port),
        http_server(operations_app(health), settings.host, settings.metrics_port),
        stop=stop,
    )
    log.info("sdk.stopped")
