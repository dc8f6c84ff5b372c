"""The routes of orders. They translate, and decide nothing."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import answer, respond, respond_page
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import CreatedFrom, CreatedTo, Limit, PathId
from gateway_api.idempotency import attempt_of
from gateway_api.orders.schemas import AfterOrder, CreateOrder, OrderBody, OrderPage
from gateway_api.orders.service import OrderService
from gateway_api.routing import StrictRouter
from gateway_common.merchants.model import Scope
from gateway_common.orders.model import order_snapshot


def order_routes(service: OrderService, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/orders", tags=["orders"])
    reader, writer = Depends(authenticator.may(Scope.READ)), Depends(authenticator.may(Scope.WRITE))

    @router.post("", summary="Create an order", status_code=201, responses={201: {"model": OrderBody}})
    async def create_order(request: Request, body: CreateOrder, caller: Annotated[Caller, writer]) -> Response:
        """Create an order: what is to be paid, once."""
        return respond(await service.create(caller, body, attempt_of(request, caller, body)))

    @router.get("", summary="List orders", responses={200: {"model": OrderPage}})
    async def list_orders(
        caller: Annotated[Caller, reader],
        *,
        limit: Limit = 10,
        starting_after: AfterOrder = None,
        created_from: CreatedFrom = None,
        created_to: CreatedTo = None,
    ) -> Response:
        """List orders, newest first. `created_from` is within the range, `created_to` is not."""
        found = await service.list(
            caller,
            limit=limit + 1,
            starting_after=starting_after,
            created_from=created_from,
            created_to=created_to,
        )
        return respond_page([order_snapshot(order) for order in found], limit)

    # A reference may hold slashes: INV/2026/17.
    @router.get("/{order_id:path}", summary="Read an order", responses={200: {"model": OrderBody}})
    async def get_order(order_id: PathId, caller: Annotated[Caller, reader]) -> Response:
        """Read an order, by its id or by its reference."""
        return respond(answer(200, order_snapshot(await service.get(caller, order_id))))

    return router
