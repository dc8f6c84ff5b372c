"""Every SQL statement of the routing table."""

from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from gateway_common.db.database import Connection
from gateway_common.payments.model import PaymentMethod
from gateway_common.providers.model import Route
from gateway_common.providers.tables import provider_routes

_MERCHANT: Final = func.coalesce(provider_routes.c.merchant_id, "")
_METHOD: Final = func.coalesce(provider_routes.c.method, "")


async def list_routes(connection: Connection) -> list[Route]:
    """All routes: by mode, everybody's before the merchants' own."""
    query = select(provider_routes).order_by(provider_routes.c.livemode, _MERCHANT, _METHOD)
    return [
        Route(
            livemode=row.livemode,
            merchant_id=row.merchant_id,
            method=None if row.method is None else PaymentMethod(row.method),
            providers=tuple(row.providers),
            updated_at=row.updated_at,
        )
        for row in await connection.execute(query)
    ]


async def save_route(connection: Connection, route: Route) -> None:
    """Insert the route, or replace the one for the same merchant, mode and method."""
    values = insert(provider_routes).values(
        livemode=route.livemode,
        merchant_id=route.merchant_id,
        method=route.method,
        providers=list(route.providers),
        updated_at=route.updated_at,
    )
    await connection.execute(
        values.on_conflict_do_update(
            index_elements=[provider_routes.c.livemode, _MERCHANT, _METHOD],
            set_={"providers": values.excluded.providers, "updated_at": values.excluded.updated_at},
        )
    )


async def delete_route(
    connection: Connection, *, livemode: bool, merchant_id: str | None, method: PaymentMethod | None
) -> bool:
    """Remove the route for exactly this merchant, mode and method; whether there was one."""
    statement = delete(provider_routes).where(
        provider_routes.c.livemode == livemode,
        _MERCHANT.in_([merchant_id or ""]),
        _METHOD.in_([method or ""]),
    )
    return (await connection.execute(statement)).rowcount > 0
