"""What an operator does to the routing table. The rules and the rows are in gateway_common.providers."""

from gateway_common.db.database import Database
from gateway_common.errors import NotFoundError
from gateway_common.merchants.store import get_merchant
from gateway_common.payments.model import PaymentMethod
from gateway_common.providers.model import Route
from gateway_common.providers.store import delete_route, list_routes, save_route


async def find_routes(database: Database) -> list[Route]:
    async with database.statement() as connection:
        return await list_routes(connection)


async def set_route(database: Database, route: Route) -> None:
    """Make the route, or put it in the place of the one there was; NotFoundError for an unknown merchant."""
    async with database.transaction() as connection:
        if route.merchant_id is not None:
            await get_merchant(connection, route.merchant_id)
        await save_route(connection, route)


async def remove_route(
    database: Database, *, livemode: bool, merchant_id: str | None, method: PaymentMethod | None
) -> None:
    """Remove the route for exactly these; NotFoundError, also for an unknown merchant."""
    async with database.transaction() as connection:
        if merchant_id is not None:
            await get_merchant(connection, merchant_id)
        if not await delete_route(connection, livemode=livemode, merchant_id=merchant_id, method=method):
            raise NotFoundError("There is no such route.")
