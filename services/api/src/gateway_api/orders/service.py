"""Creating and reading orders."""

from datetime import datetime

from gateway_api.answers import CREATED, Answer, answer
from gateway_api.auth import Caller
from gateway_api.idempotency import Attempt, Idempotency
from gateway_api.orders.schemas import CreateOrder
from gateway_common.clock import Clock
from gateway_common.db.database import Connection, Database
from gateway_common.errors import ConflictError
from gateway_common.ids import ORDER, new_id
from gateway_common.orders.model import Order, order_snapshot
from gateway_common.orders.store import get_order, insert_order, list_orders


class OrderService:
    def __init__(self, database: Database, idempotency: Idempotency, clock: Clock) -> None:
        self._database = database
        self._idempotency = idempotency
        self._clock = clock

    async def create(self, caller: Caller, wanted: CreateOrder, attempt: Attempt | None) -> Answer:
        """Store the order. ConflictError if the reference is another order's."""

        async def act(connection: Connection) -> Answer:
            now = self._clock()
            order = Order(
                id=new_id(ORDER, now),
                merchant_id=caller.merchant_id,
                livemode=caller.livemode,
                reference=wanted.reference,
                amount_minor=wanted.amount,
                currency=wanted.currency,
                description=wanted.description,
                metadata=wanted.metadata,
                created_at=now,
                updated_at=now,
            )
            if not await insert_order(connection, order):
                raise ConflictError("There is an order with this reference already.", param="reference")
            return answer(CREATED, order_snapshot(order))

        return await self._idempotency.run(attempt, act)

    async def get(self, caller: Caller, name: str) -> Order:
        async with self._database.statement() as connection:
            return await get_order(connection, name, merchant_id=caller.merchant_id, livemode=caller.livemode)

    async def list(
        self,
        caller: Caller,
        *,
        limit: int,
        starting_after: str | None,
        created_from: datetime | None,
        created_to: datetime | None,
    ) -> list[Order]:
        async with self._database.statement() as connection:
            return await list_orders(
                connection,
                merchant_id=caller.merchant_id,
                livemode=caller.livemode,
                limit=limit,
                starting_after=starting_after,
                created_from=created_from,
                created_to=created_to,
            )
