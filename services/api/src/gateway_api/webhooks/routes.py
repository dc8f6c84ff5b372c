"""The routes of webhook endpoints. They translate, and decide nothing."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import answer, respond, respond_page
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import Limit, PathId
from gateway_api.idempotency import attempt_of
from gateway_api.routing import StrictRouter
from gateway_api.webhooks.schemas import (
    AfterEndpoint,
    CreatedEndpointBody,
    CreateEndpoint,
    EndpointBody,
    EndpointDetailBody,
    EndpointPage,
    UpdateEndpoint,
)
from gateway_api.webhooks.service import WebhookService
from gateway_common.merchants.model import Scope
from gateway_common.webhooks.health import health_snapshot
from gateway_common.webhooks.model import endpoint_snapshot


def webhook_routes(service: WebhookService, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/webhook-endpoints", tags=["webhooks"])
    reader, owner = Depends(authenticator.may(Scope.READ)), Depends(authenticator.may(Scope.WEBHOOKS))

    @router.post(
        "",
        summary="Register a webhook endpoint",
        status_code=201,
        responses={201: {"model": CreatedEndpointBody}},
    )
    async def create_webhook_endpoint(
        request: Request, body: CreateEndpoint, caller: Annotated[Caller, owner]
    ) -> Response:
        """Register an address for events. The answer holds the signing secret."""
        attempt = attempt_of(request, caller, body)
        return respond(await service.create_endpoint(caller, body, attempt))

    @router.get("", summary="List webhook endpoints", responses={200: {"model": EndpointPage}})
    async def list_webhook_endpoints(
        caller: Annotated[Caller, reader], limit: Limit = 10, starting_after: AfterEndpoint = None
    ) -> Response:
        """List endpoints, newest first."""
        found = await service.list_endpoints(caller, limit=limit + 1, starting_after=starting_after)
        return respond_page([endpoint_snapshot(endpoint) for endpoint in found], limit)

    @router.get("/{endpoint_id}", summary="Read a webhook endpoint", responses={200: {"model": EndpointDetailBody}})
    async def get_webhook_endpoint(endpoint_id: PathId, caller: Annotated[Caller, reader]) -> Response:
        """Read an endpoint, and how it has answered of late."""
        endpoint, health = await service.get_endpoint(caller, endpoint_id)
        return respond(answer(200, endpoint_snapshot(endpoint) | {"health": health_snapshot(health)}))

    @router.patch("/{endpoint_id}", summary="Change a webhook endpoint", responses={200: {"model": EndpointBody}})
    async def update_webhook_endpoint(
        request: Request, endpoint_id: PathId, body: UpdateEndpoint, caller: Annotated[Caller, owner]
    ) -> Response:
        """Change what is said and nothing else; pause the endpoint, or enable it again whoever stopped it."""
        endpoint = await service.update_endpoint(caller, endpoint_id, body, request.state.traceparent)
        return respond(answer(200, endpoint_snapshot(endpoint)))

    @router.delete("/{endpoint_id}", summary="Delete a webhook endpoint", status_code=204)
    async def delete_webhook_endpoint(endpoint_id: PathId, caller: Annotated[Caller, owner]) -> None:
        """Delete an endpoint. What waits for it is cancelled; what was delivered stays listed."""
        await service.delete_endpoint(caller, endpoint_id)

    return router
