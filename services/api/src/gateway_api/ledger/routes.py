"""The routes of balance and ledger. They only read: money moves with payments and refunds."""

from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from gateway_api.answers import answer, respond, respond_page
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import IdFilter, Limit
from gateway_api.ledger.schemas import AfterLedgerEntry, BalanceBody, LedgerEntryPage
from gateway_api.routing import StrictRouter
from gateway_common.db.database import Database
from gateway_common.ledger.model import balance_snapshot, entry_snapshot
from gateway_common.ledger.store import find_balances, list_entries
from gateway_common.merchants.model import Scope


def ledger_routes(database: Database, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1", tags=["ledger"])
    reader = Depends(authenticator.may(Scope.READ))

    @router.get("/balance", summary="Read the balance", responses={200: {"model": BalanceBody}})
    async def get_balance(caller: Annotated[Caller, reader]) -> Response:
        """What is the merchant's, held for refunds, kept as fees, and still with providers, by currency."""
        async with database.statement() as connection:
            balances = await find_balances(connection, merchant_id=caller.merchant_id, livemode=caller.livemode)
        return respond(answer(200, balance_snapshot(balances, livemode=caller.livemode)))

    @router.get("/ledger/entries", summary="List ledger entries", responses={200: {"model": LedgerEntryPage}})
    async def list_ledger_entries(
        caller: Annotated[Caller, reader],
        limit: Limit = 10,
        starting_after: AfterLedgerEntry = None,
        payment_id: IdFilter = None,
    ) -> Response:
        """List ledger entries, newest first, those of one payment if asked. An amount is what its account gained."""
        async with database.statement() as connection:
            found = await list_entries(
                connection,
                merchant_id=caller.merchant_id,
                livemode=caller.livemode,
                limit=limit + 1,
                starting_after=starting_after,
                payment_id=payment_id,
            )
        return respond_page([entry_snapshot(entry) for entry in found], limit)

    return router
