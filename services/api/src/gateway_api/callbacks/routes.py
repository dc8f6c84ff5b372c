"""The route that providers call. Their signature is over the very bytes they sent, so it takes the body as it comes."""

from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from gateway_api.answers import answer, respond
from gateway_api.callbacks.schemas import ReceivedBody
from gateway_api.callbacks.service import CallbackService
from gateway_api.fields import PathId
from gateway_api.json_body import read_body
from gateway_api.limits import RateLimiter
from gateway_api.routing import StrictRouter
from gateway_common.errors import CallbackRefusedError

_RECEIVED: Final = answer(200, {"received": True})
_ANY_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "Whatever the provider sends, signed as the provider signs.",
        "content": {"application/json": {"schema": {}}},
    }
}


def callback_routes(service: CallbackService, limiter: RateLimiter) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/providers", tags=["providers"])

    @router.post(
        "/{name}/callbacks",
        summary="Receive a provider's callback",
        responses={200: {"model": ReceivedBody}},
        openapi_extra=_ANY_BODY,
    )
    async def receive_provider_callback(request: Request, name: PathId) -> Response:
        """Keep what a payment provider tells of a payment, and have the provider asked about it.

        Needs no key: the provider's signature is checked. What was received before is answered alike.
        """
        service.get_reader(name)
        try:
            await service.receive(name, request.headers, await read_body(request))
        except CallbackRefusedError:
            # Whoever guesses at signatures is slowed down; a provider's own flood is not.
            await limiter.take_for_address(request)
            raise
        return respond(_RECEIVED)

    return router
