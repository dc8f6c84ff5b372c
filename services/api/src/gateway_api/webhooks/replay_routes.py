"""The routes of replays. They translate, and decide nothing."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import answer, respond, respond_page
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import Limit, PathId
from gateway_api.idempotency import attempt_of
from gateway_api.routing import StrictRouter
from gateway_api.webhooks.replay_schemas import AfterReplay, ReplayBody, ReplayEvents, ReplayPage
from gateway_api.webhooks.replay_service import WebhookReplayService
from gateway_common.merchants.model import Scope
from gateway_common.webhooks.replay import replay_snapshot


def webhook_replay_routes(service: WebhookReplayService, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1", tags=["webhooks"])
    reader, owner = Depends(authenticator.may(Scope.READ)), Depends(authenticator.may(Scope.WEBHOOKS))

    @router.post(
        "/webhook-endpoints/{endpoint_id}/replay",
        summary="Replay a time range to an endpoint",
        status_code=201,
        responses={201: {"model": ReplayBody}},
    )
    async def replay_webhook_events(
        request: Request, endpoint_id: PathId, caller: Annotated[Caller, owner], body: ReplayEvents | None = None
    ) -> Response:
        """Send again what failed in a time range, or all of it; however much that is, at the endpoint's limits."""
        wanted = body or ReplayEvents()
        return respond(await service.create(caller, endpoint_id, wanted, attempt_of(request, caller, wanted)))

    @router.get(
        "/webhook-endpoints/{endpoint_id}/replays",
        summary="List an endpoint's replays",
        responses={200: {"model": ReplayPage}},
    )
    async def list_webhook_replays(
        endpoint_id: PathId, caller: Annotated[Caller, reader], limit: Limit = 10, starting_after: AfterReplay = None
    ) -> Response:
        """List replays, newest first: the merchant's, and those that began by themselves when it answered again."""
        found = await service.list(caller, endpoint_id, limit=limit + 1, starting_after=starting_after)
        return respond_page([replay_snapshot(replay) for replay in found], limit)

    @router.get("/webhook-replays/{replay_id}", summary="Read a replay", responses={200: {"model": ReplayBody}})
    async def get_webhook_replay(replay_id: PathId, caller: Annotated[Caller, reader]) -> Response:
        """Read a replay and how far it is: `total` deliveries were found, `queued` so far, `waiting` not yet sent."""
        return respond(answer(200, replay_snapshot(await service.get(caller, replay_id))))

    return router
