"""The route of a payment's timeline: all that happened, in order, and what happens next."""

from typing import Annotated, Final

from fastapi import Depends
from starlette.responses import Response

from gateway_api.answers import answer, respond
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import PathId
from gateway_api.routing import StrictRouter
from gateway_api.timeline.schemas import TimelineBody
from gateway_common.db.database import Database
from gateway_common.merchants.model import Scope
from gateway_common.payments.store import get_payment
from gateway_common.timeline.model import timeline_snapshot
from gateway_common.timeline.store import find_work, list_timeline, list_waiting_deliveries

TIMEOUT_SECONDS: Final = 5.0


def timeline_routes(database: Database, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/payments", tags=["payments"])
    reader = Depends(authenticator.may(Scope.READ))

    @router.get("/{payment_id}/timeline", summary="Read a payment's timeline", responses={200: {"model": TimelineBody}})
    async def get_timeline(payment_id: PathId, caller: Annotated[Caller, reader]) -> Response:
        """Events, provider answers, ledger entries and webhook attempts of a payment, and what happens next."""
        async with database.snapshot(timeout_seconds=TIMEOUT_SECONDS) as connection:
            payment = await get_payment(
                connection, payment_id, merchant_id=caller.merchant_id, livemode=caller.livemode
            )
            order_id = payment.bound_order_id
            entries, has_more = await list_timeline(connection, payment.id, bound_order_id=order_id)
            waiting = await list_waiting_deliveries(connection, payment.id, bound_order_id=order_id)
            work = await find_work(connection, payment.id)
        return respond(answer(200, timeline_snapshot(payment, entries, work, waiting, has_more=has_more)))

    return router
