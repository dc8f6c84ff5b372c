"""The routes of deliveries. They translate, and decide nothing."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import answer, respond, respond_page
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import CreatedFrom, CreatedTo, IdFilter, Limit, PathId
from gateway_api.idempotency import attempt_of
from gateway_api.routing import StrictRouter
from gateway_api.webhooks.delivery_schemas import (
    AfterDelivery,
    DeliveryBody,
    DeliveryDetailBody,
    DeliveryPage,
    PingEndpoint,
    RetryDelivery,
)
from gateway_api.webhooks.delivery_service import WebhookDeliveryService
from gateway_common.merchants.model import Scope
from gateway_common.webhooks.attempts import detail_snapshot
from gateway_common.webhooks.delivery_store import DeliveryFilter
from gateway_common.webhooks.model import DeliveryStatus, delivery_snapshot


def webhook_delivery_routes(service: WebhookDeliveryService, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1", tags=["webhooks"])
    reader, owner = Depends(authenticator.may(Scope.READ)), Depends(authenticator.may(Scope.WEBHOOKS))

    @router.post(
        "/webhook-endpoints/{endpoint_id}/ping",
        summary="Ping a webhook endpoint",
        status_code=201,
        responses={201: {"model": DeliveryBody}},
    )
    async def ping_webhook_endpoint(
        request: Request, endpoint_id: PathId, caller: Annotated[Caller, owner], body: PingEndpoint | None = None
    ) -> Response:
        """Send the endpoint an event of type `ping`, whatever types it wants. The answer is its delivery."""
        attempt = attempt_of(request, caller, body or PingEndpoint())
        return respond(await service.ping(caller, endpoint_id, attempt, request.state.traceparent))

    @router.get("/webhook-deliveries", summary="List webhook deliveries", responses={200: {"model": DeliveryPage}})
    async def list_webhook_deliveries(
        caller: Annotated[Caller, reader],
        *,
        limit: Limit = 10,
        starting_after: AfterDelivery = None,
        endpoint_id: IdFilter = None,
        event_id: IdFilter = None,
        status: DeliveryStatus | None = None,
        created_from: CreatedFrom = None,
        created_to: CreatedTo = None,
    ) -> Response:
        """List deliveries, newest first. `created_from` is within the range, `created_to` is not.

        A page by `status` may hold fewer than `limit` though `has_more` is true: the search goes on from `next_cursor`.
        """
        wanted = DeliveryFilter(
            endpoint_id=endpoint_id,
            event_id=event_id,
            status=status,
            created_from=created_from,
            created_to=created_to,
        )
        found, looked_until = await service.list(caller, wanted, limit=limit + 1, starting_after=starting_after)
        return respond_page([delivery_snapshot(delivery) for delivery in found], limit, looked_until=looked_until)

    @router.get(
        "/webhook-deliveries/{delivery_id}",
        summary="Read a webhook delivery",
        responses={200: {"model": DeliveryDetailBody}},
    )
    async def get_webhook_delivery(delivery_id: PathId, caller: Annotated[Caller, reader]) -> Response:
        """Read a delivery: what it sends, and of its attempts what was sent, what came back, and how long it took."""
        return respond(answer(200, detail_snapshot(await service.get(caller, delivery_id))))

    @router.post(
        "/webhook-deliveries/{delivery_id}/retry",
        summary="Retry a webhook delivery",
        responses={200: {"model": DeliveryBody}},
    )
    async def retry_webhook_delivery(
        request: Request, delivery_id: PathId, caller: Annotated[Caller, owner], body: RetryDelivery | None = None
    ) -> Response:
        """Try a delivery again now; one that had ended has its whole schedule again."""
        attempt = attempt_of(request, caller, body or RetryDelivery())
        return respond(await service.retry(caller, delivery_id, attempt))

    return router
