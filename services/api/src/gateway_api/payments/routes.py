"""The routes of payments. They translate, and decide nothing."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import answer, respond, respond_page
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import CreatedFrom, CreatedTo, IdFilter, Limit, PathId
from gateway_api.idempotency import attempt_of
from gateway_api.payments.schemas import (
    AfterPayment,
    CancelPayment,
    CapturePayment,
    CreatePayment,
    PaymentBody,
    PaymentPage,
)
from gateway_api.payments.service import PaymentService
from gateway_api.routing import StrictRouter
from gateway_common.merchants.model import Scope
from gateway_common.payments.model import PaymentMethod, PaymentStatus, payment_snapshot


def payment_routes(service: PaymentService, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/payments", tags=["payments"])
    reader, writer = Depends(authenticator.may(Scope.READ)), Depends(authenticator.may(Scope.WRITE))

    @router.post("", summary="Create a payment", status_code=201, responses={201: {"model": PaymentBody}})
    async def create_payment(request: Request, body: CreatePayment, caller: Annotated[Caller, writer]) -> Response:
        """Create a payment. It is stored and answered at once as `pending`; a processor carries it further."""
        attempt = attempt_of(request, caller, body)
        return respond(await service.create(caller, body, attempt, request.state.traceparent))

    @router.get("", summary="List payments", responses={200: {"model": PaymentPage}})
    async def list_payments(
        caller: Annotated[Caller, reader],
        *,
        limit: Limit = 10,
        starting_after: AfterPayment = None,
        status: PaymentStatus | None = None,
        order_id: IdFilter = None,
        method: PaymentMethod | None = None,
        created_from: CreatedFrom = None,
        created_to: CreatedTo = None,
    ) -> Response:
        """List payments, newest first. `created_from` is within the range, `created_to` is not."""
        found = await service.list(
            caller,
            limit=limit + 1,
            starting_after=starting_after,
            status=status,
            order_id=order_id,
            method=method,
            created_from=created_from,
            created_to=created_to,
        )
        return respond_page([payment_snapshot(payment) for payment in found], limit)

    @router.get("/{payment_id}", summary="Read a payment", responses={200: {"model": PaymentBody}})
    async def get_payment(payment_id: PathId, caller: Annotated[Caller, reader]) -> Response:
        """Read a payment."""
        return respond(answer(200, payment_snapshot(await service.get(caller, payment_id))))

    @router.post("/{payment_id}/capture", summary="Capture a payment", responses={200: {"model": PaymentBody}})
    async def capture_payment(
        request: Request, payment_id: PathId, caller: Annotated[Caller, writer], body: CapturePayment | None = None
    ) -> Response:
        """Capture an authorized payment, in full or in part. The decision stands at once."""
        wanted = body or CapturePayment()
        attempt = attempt_of(request, caller, wanted)
        return respond(await service.capture(caller, payment_id, wanted.amount, attempt))

    @router.post("/{payment_id}/cancel", summary="Cancel a payment", responses={200: {"model": PaymentBody}})
    async def cancel_payment(
        request: Request, payment_id: PathId, caller: Annotated[Caller, writer], body: CancelPayment | None = None
    ) -> Response:
        """Cancel a payment that no processor has taken yet, or void an authorization that is not captured."""
        attempt = attempt_of(request, caller, body or CancelPayment())
        return respond(await service.cancel(caller, payment_id, attempt))

    return router
