"""The story itself: a payment is made, succeeds, is captured and partly refunded, and each step sends its webhook."""

from collections.abc import Callable

import httpx

from gateway_cli.demo.merchant import Merchant
from gateway_cli.demo.receiver import Receiver
from gateway_cli.demo.webhooks import Inbox
from gateway_cli.failure import Failure

PAYMENT = {"amount": 50000, "currency": "INR", "method": "upi", "order_id": "ord_test_001", "vpa": "test@upi"}
REFUND = {"amount": 1000, "reason": "Customer requested"}
LOGIN = {"X-Api-Key": "key_test_abc123", "X-Api-Secret": "secret_test_xyz789"}
PATIENCE_SECONDS = 30.0

Say = Callable[[str, str], None]


async def tell(api_url: str, receiver: Receiver, say: Say) -> None:
    """Live through the story; each thing that does not happen is a failure that says so."""
    async with httpx.AsyncClient(base_url=f"{api_url}/api/v1", headers=LOGIN, trust_env=False, timeout=10) as client:
        merchant = Merchant(client, PATIENCE_SECONDS)
        endpoint = await merchant.create("/webhook-endpoints", {"url": receiver.url})
        say("endpoint", f"{endpoint['id']} registered for {receiver.url}")
        inbox = Inbox(receiver, endpoint["secret"], PATIENCE_SECONDS)
        payment_id = await _pay(merchant, inbox, say)
        await _capture(merchant, inbox, say, payment_id)
        await _refund(merchant, inbox, say, payment_id)
        say("done", f"{inbox.count} webhooks came, and both signatures of each hold")


async def _pay(merchant: Merchant, inbox: Inbox, say: Say) -> str:
    payment = await merchant.create("/payments", PAYMENT)
    payment_id: str = payment["id"]
    say("payment", f"{payment_id} created: {_rupees(payment)}, {payment['status']}")
    if payment["status"] != "pending":
        raise Failure(f"The new payment {payment_id} is not pending but {payment['status']}.")
    await merchant.settle(f"/payments/{payment_id}", "status", wanted="success")
    say("payment", f"{payment_id} is a success")
    await _expect_webhook(inbox, say, "payment.success", payment_id)
    return payment_id


async def _capture(merchant: Merchant, inbox: Inbox, say: Say, payment_id: str) -> None:
    captured = await merchant.create(f"/payments/{payment_id}/capture")
    if captured["captured"] is not True:
        raise Failure(f"The payment {payment_id} does not say that it is captured.")
    say("capture", f"{payment_id} is captured, the provider's part is {captured['capture_status']}")
    await merchant.settle(f"/payments/{payment_id}", "capture_status", wanted="completed")
    say("capture", "completed by the provider")
    await _expect_webhook(inbox, say, "payment.captured", payment_id)


async def _refund(merchant: Merchant, inbox: Inbox, say: Say, payment_id: str) -> None:
    refund = await merchant.create(f"/payments/{payment_id}/refunds", REFUND)
    refund_id = refund["id"]
    say("refund", f"{refund_id} created: {_rupees(refund)}, {refund['status']}")
    await merchant.settle(f"/refunds/{refund_id}", "status", wanted="processed")
    say("refund", f"{refund_id} is processed")
    await _expect_webhook(inbox, say, "refund.processed", refund_id)


async def _expect_webhook(inbox: Inbox, say: Say, event_type: str, object_id: str) -> None:
    event = await inbox.wait_for(event_type, object_id)
    say("webhook", f"{event_type} {event['id']}: both signatures hold")


def _rupees(answer: dict[str, int]) -> str:
    return f"{answer['amount'] / 100:.2f} INR"
