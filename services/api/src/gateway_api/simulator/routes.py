"""`POST /test/payments/{id}/outcome`: a tester says what became of a payment. Exists only in test mode."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import respond
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import PathId
from gateway_api.idempotency import attempt_of
from gateway_api.openapi import MERCHANT
from gateway_api.payments.schemas import PaymentBody
from gateway_api.routing import StrictRouter
from gateway_api.simulator.schemas import SetOutcome
from gateway_api.simulator.service import BankService
from gateway_common.merchants.model import Scope


def outcome_routes(service: BankService, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/test/payments", tags=["test"])
    writer = Depends(authenticator.may(Scope.WRITE))

    @router.post(
        "/{payment_id}/outcome",
        summary="Set the outcome of a test payment",
        responses={200: {"model": PaymentBody}},
        openapi_extra=MERCHANT,
    )
    async def set_outcome(
        request: Request, payment_id: PathId, body: SetOutcome, caller: Annotated[Caller, writer]
    ) -> Response:
        """Say what the simulated bank says of a payment that waits, or of one that failed or expired: `success` is a
        late success then, unless the request was taken back. The answer is the payment as it is now; it moves when a
        processor has asked the bank.
        """
        attempt = attempt_of(request, caller, body)
        return respond(await service.set_outcome(caller, payment_id, body.simulated, attempt))

    return router
