"""The routes of refunds. They translate, and decide nothing."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import answer, respond, respond_page
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import CreatedFrom, CreatedTo, Limit, PathId
from gateway_api.idempotency import attempt_of
from gateway_api.refunds.schemas import AfterRefund, CreateRefund, RefundBody, RefundPage
from gateway_api.refunds.service import RefundService
from gateway_api.routing import StrictRouter
from gateway_common.merchants.model import Scope
from gateway_common.refunds.model import RefundStatus, refund_snapshot


def refund_routes(service: RefundService, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1", tags=["refunds"])
    reader, refunder = Depends(authenticator.may(Scope.READ)), Depends(authenticator.may(Scope.REFUNDS))

    @router.post(
        "/payments/{payment_id}/refunds",
        summary="Refund a payment",
        status_code=201,
        responses={201: {"model": RefundBody}},
    )
    async def create_refund(
        request: Request, payment_id: PathId, caller: Annotated[Caller, refunder], body: CreateRefund | None = None
    ) -> Response:
        """Refund a captured payment: `amount`, or all that is left."""
        wanted = body or CreateRefund()
        attempt = attempt_of(request, caller, wanted)
        return respond(await service.create(caller, payment_id, wanted, attempt))

    @router.get(
        "/payments/{payment_id}/refunds", summary="List a payment's refunds", responses={200: {"model": RefundPage}}
    )
    async def list_payment_refunds(
        payment_id: PathId, caller: Annotated[Caller, reader], limit: Limit = 10, starting_after: AfterRefund = None
    ) -> Response:
        """List a payment's refunds, newest first."""
        found = await service.list(caller, limit=limit + 1, starting_after=starting_after, payment_id=payment_id)
        return respond_page([refund_snapshot(refund) for refund in found], limit)

    @router.get("/refunds", summary="List refunds", responses={200: {"model": RefundPage}})
    async def list_refunds(
        caller: Annotated[Caller, reader],
        *,
        limit: Limit = 10,
        starting_after: AfterRefund = None,
        status: RefundStatus | None = None,
        created_from: CreatedFrom = None,
        created_to: CreatedTo = None,
    ) -> Response:
        """List refunds, newest first. `created_from` is within the range, `created_to` is not."""
        found = await service.list(
            caller,
            limit=limit + 1,
            starting_after=starting_after,
            status=status,
            created_from=created_from,
            created_to=created_to,
        )
        return respond_page([refund_snapshot(refund) for refund in found], limit)

    @router.get("/refunds/{refund_id}", summary="Read a refund", responses={200: {"model": RefundBody}})
    async def get_refund(refund_id: PathId, caller: Annotated[Caller, reader]) -> Response:
        """Read a refund."""
        return respond(answer(200, refund_snapshot(await service.get(caller, refund_id))))

    return router
