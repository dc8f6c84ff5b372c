"""What anyone may ask for without signing in: the style sheet, the icon, and the process's health."""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from gateway_common.serving import Health

_HEADERS: Final = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}
_STYLES: Final = ("dashboard.css", "notices.css")
"""One sheet for the browser: a second one would be a second request."""


def public_routes(health: Health) -> APIRouter:
    router = APIRouter()
    folder = files("gateway_dashboard") / "web"
    style = b"\n".join((folder / name).read_bytes() for name in _STYLES)
    icon = (folder / "icon.svg").read_bytes()

    @router.get("/dashboard.css")
    async def dashboard_css() -> Response:
        return Response(style, headers=_HEADERS, media_type="text/css")

    @router.get("/icon.svg")
    async def icon_svg() -> Response:
        return Response(icon, headers=_HEADERS, media_type="image/svg+xml")

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> Response:
        status, content = await health.ready()
        return JSONResponse(content, status)

    return router
