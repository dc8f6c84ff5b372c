"""The routes of the public checkout API: a publishable key, and for a payment its client token."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import answer, respond
from gateway_api.auth import Authenticator, Caller
from gateway_api.checkout.schemas import (
    CheckoutOrderBody,
    CheckoutPaymentBody,
    CreateCheckoutPayment,
    CreatedCheckoutPaymentBody,
)
from gateway_api.checkout.service import CheckoutService
from gateway_api.fields import PathId
from gateway_api.idempotency import attempt_of
from gateway_api.openapi import CLIENT_TOKEN
from gateway_api.routing import StrictRouter


def checkout_routes(service: CheckoutService, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/checkout", tags=["checkout"])
    browser = Depends(authenticator.publishable)

    @router.get(
        "/orders/{order_id:path}", summary="Read an order at checkout", responses={200: {"model": CheckoutOrderBody}}
    )
    async def get_checkout_order(order_id: PathId, caller: Annotated[Caller, browser]) -> Response:
        """What the customer is asked to pay."""
        order = await service.get_order(caller, order_id)
        content = {
            "order_id": order.order_id,
            "amount": order.amount_minor,
            "currency": order.currency,
            "status": order.status,
            "merchant_name": caller.merchant_name,
            "livemode": caller.livemode,
        }
        return respond(answer(200, content))

    @router.post(
        "/payments", summary="Pay at checkout", status_code=201, responses={201: {"model": CreatedCheckoutPaymentBody}}
    )
    async def create_checkout_payment(
        request: Request, body: CreateCheckoutPayment, caller: Annotated[Caller, browser]
    ) -> Response:
        """Pay an order. The answer holds the token by which the page follows the payment."""
        attempt = attempt_of(request, caller, body)
        return respond(await service.create_payment(caller, body, attempt, request.state.traceparent))

    @router.get(
        "/payments/{payment_id}",
        summary="Follow a payment at checkout",
        responses={200: {"model": CheckoutPaymentBody}},
        openapi_extra=CLIENT_TOKEN,
    )
    async def get_checkout_payment(
        request: Request, payment_id: PathId, caller: Annotated[Caller, browser]
    ) -> Response:
        """Follow a payment, with its `X-Client-Token`."""
        token = request.headers.get("x-client-token")
        return respond(answer(200, await service.get_payment(caller, payment_id, token)))

    return router
