"""The routes of webhook endpoints and deliveries. They translate, and decide nothing."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import answer, respond, respond_page
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import Limit, PathId
from gateway_api.idempotency import attempt_of
from gateway_api.routing import StrictRouter
from gateway_api.webhooks.schemas import (
    AfterDelivery,
    AfterEndpoint,
    CreatedEndpointBody,
    CreateEndpoint,
    DeliveryPage,
    EndpointBody,
    EndpointPage,
)
from gateway_api.webhooks.service import WebhookService
from gateway_common.merchants.model import Scope
from gateway_common.webhooks.model import delivery_snapshot, endpoint_snapshot


def webhook_routes(service: WebhookService, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1", tags=["webhooks"])
    reader, owner = Depends(authenticator.may(Scope.READ)), Depends(authenticator.may(Scope.WEBHOOKS))

    @router.post(
        "/webhook-endpoints",
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

    @router.get("/webhook-endpoints", summary="List webhook endpoints", responses={200: {"model": EndpointPage}})
    async def list_webhook_endpoints(
        caller: Annotated[Caller, reader], limit: Limit = 10, starting_after: AfterEndpoint = None
    ) -> Response:
        """List endpoints, newest first."""
        found = await service.list_endpoints(caller, limit=limit + 1, starting_after=starting_after)
        return respond_page([endpoint_snapshot(endpoint) for endpoint in found], limit)

    @router.get(
        "/webhook-endpoints/{endpoint_id}", summary="Read a webhook endpoint", responses={200: {"model": EndpointBody}}
    )
    async def get_webhook_endpoint(endpoint_id: PathId, caller: Annotated[Caller, reader]) -> Response:
        """Read an endpoint."""
        return respond(answer(200, endpoint_snapshot(await service.get_endpoint(caller, endpoint_id))))

    @router.delete("/webhook-endpoints/{endpoint_id}", summary="Delete a webhook endpoint", status_code=204)
    async def delete_webhook_endpoint(endpoint_id: PathId, caller: Annotated[Caller, owner]) -> None:
        """Delete an endpoint. What waits for it is cancelled; what was delivered stays listed."""
        await service.delete_endpoint(caller, endpoint_id)

    @router.get("/webhook-deliveries", summary="List webhook deliveries", responses={200: {"model": DeliveryPage}})
    async def list_webhook_deliveries(
        caller: Annotated[Caller, reader], limit: Limit = 10, starting_after: AfterDelivery = None
    ) -> Response:
        """List deliveries, newest first."""
        found = await service.list_deliveries(caller, limit=limit + 1, starting_after=starting_after)
        return respond_page([delivery_snapshot(delivery) for delivery in found], limit)

    return router
