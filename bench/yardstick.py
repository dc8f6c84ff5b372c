"""The yardstick: a FastAPI route with the models of POST /payments and nothing behind it, as uvicorn serves it best.

No key is checked, nothing is stored; what is left is the framework's own price. `python -m bench.yardstick PORT`.
"""

import sys
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI

from gateway_api.payments.schemas import CreatePayment, CreateUpiCollectPayment, PaymentBody, Upi
from gateway_common.payments.model import PaymentMethod, PaymentStatus

app = FastAPI()


@app.post("/api/v1/payments", status_code=201)
async def create_payment(body: CreatePayment) -> PaymentBody:
    now = datetime.now(UTC)
    return PaymentBody(
        id="pay_00000000000000000000000000",
        object="payment",
        order_id=body.order_id,
        amount=body.amount,
        currency=body.currency,
        method=PaymentMethod(body.method),
        vpa=body.vpa if isinstance(body, CreateUpiCollectPayment) else None,
        upi=Upi(flow="collect"),
        card=None,
        bank=None,
        wallet=None,
        status=PaymentStatus.PENDING,
        capture_method=body.capture_method,
        capture_status=None,
        captured=False,
        amount_captured=0,
        amount_refunded=0,
        error=None,
        next_action=None,
        needs_attention=False,
        description=body.description,
        metadata=body.metadata,
        livemode=False,
        version=1,
        created_at=now,
        updated_at=now,
    )


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False)
