"""The route of the signature check. It translates, and decides nothing."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import respond
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import PathId
from gateway_api.idempotency import attempt_of
from gateway_api.routing import StrictRouter
from gateway_api.webhooks.check_schemas import CheckSignature, SignatureCheckBody
from gateway_api.webhooks.check_service import SignatureCheckService
from gateway_common.merchants.model import Scope


def signature_check_routes(service: SignatureCheckService, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/webhook-endpoints", tags=["webhooks"])
    reader = Depends(authenticator.may(Scope.READ))

    @router.post(
        "/{endpoint_id}/check-signature",
        summary="Find out why a webhook's signature fits or does not",
        responses={200: {"model": SignatureCheckBody}},
    )
    async def check_webhook_signature(
        request: Request, endpoint_id: PathId, body: CheckSignature, caller: Annotated[Caller, reader]
    ) -> Response:
        """Give a webhook's headers and body as they were verified, and if you like the secret.

        The answer says what is wrong, never what would be right. Put what your own program computed in the place of a
        signature, and it says how that came about.
        """
        return respond(await service.check(caller, endpoint_id, body, attempt_of(request, caller, body)))

    return router
