"""The routes of the checkout server: its health and its files, those that merchants copy too."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from gateway_common.serving import Health
from gateway_sdk.assets import Asset


def asset_routes(assets: Mapping[str, Asset], health: Health) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        status, answer = await health.ready()
        return JSONResponse(answer, status)

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def asset(path: str, request: Request) -> Response:
        found = assets.get(path)
        if found is None:
            return PlainTextResponse("Here are /checkout.js and /checkout.html.\n", 404)
        headers = {**found.headers, "ETag": found.etag}
        if found.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(found.body, headers=headers)

    return router
