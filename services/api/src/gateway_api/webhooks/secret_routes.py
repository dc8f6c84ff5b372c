"""The routes of an endpoint's signing secrets. They translate, and decide nothing."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import answer, respond
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import PathId
from gateway_api.idempotency import attempt_of
from gateway_api.routing import StrictRouter
from gateway_api.webhooks.schemas import CreatedEndpointBody, EndpointBody
from gateway_api.webhooks.secret_schemas import PromoteSecret, RotateSecret, SecretBody
from gateway_api.webhooks.secret_service import WebhookSecretService
from gateway_common.merchants.model import Scope


def webhook_secret_routes(service: WebhookSecretService, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/webhook-endpoints/{endpoint_id}", tags=["webhooks"])
    owner = Depends(authenticator.may(Scope.WEBHOOKS))

    @router.get("/secret", summary="Read an endpoint's signing secrets", responses={200: {"model": SecretBody}})
    async def get_webhook_secret(endpoint_id: PathId, caller: Annotated[Caller, owner]) -> Response:
        """Show the secrets that sign now: the endpoint's own, and after a rotation the old one until its time ends."""
        response = respond(answer(200, await service.reveal(caller, endpoint_id)))
        response.headers["Cache-Control"] = "no-store"
        return response

    @router.post(
        "/rotate-secret", summary="Rotate an endpoint's secret", responses={200: {"model": CreatedEndpointBody}}
    )
    async def rotate_webhook_secret(
        request: Request, endpoint_id: PathId, caller: Annotated[Caller, owner], body: RotateSecret | None = None
    ) -> Response:
        """Give the endpoint a new secret.

        Until the overlap ends `webhook-signature` has a signature by each. `X-Webhook-Signature`, which has room for
        one, is made with the old secret until then, or until you promote the new one.
        """
        wanted = body or RotateSecret()
        overlap = timedelta(seconds=wanted.overlap_seconds)
        return respond(await service.rotate(caller, endpoint_id, overlap, attempt_of(request, caller, wanted)))

    @router.post(
        "/promote-secret", summary="Promote an endpoint's new secret", responses={200: {"model": EndpointBody}}
    )
    async def promote_webhook_secret(
        request: Request, endpoint_id: PathId, caller: Annotated[Caller, owner], body: PromoteSecret | None = None
    ) -> Response:
        """Make `X-Webhook-Signature` with the new secret from now on."""
        attempt = attempt_of(request, caller, body or PromoteSecret())
        return respond(await service.promote(caller, endpoint_id, attempt))

    return router
