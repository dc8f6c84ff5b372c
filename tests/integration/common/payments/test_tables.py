"""The last line of defence: what PostgreSQL refuses whoever writes, even SQL by hand."""

import pytest
from tests.support.records import read_payment, store_payments, write_rows

from gateway_common.db.database import Database, StatementRefusedError

CAPTURED = "capture_status = 'completed', amount_captured_minor = 10000, amount_refund_reserved_minor = 4000"


@pytest.mark.parametrize(
    "change",
    [
        "amount_refund_reserved_minor = 10001",
        "amount_refund_reserved_minor = -1",
        "amount_refunded_minor = 4001",
        "amount_refunded_minor = -1",
        "amount_captured_minor = 3999",
        "amount_captured_minor = 50001",
        "amount_captured_minor = -1",
        "amount_captured_minor = 0, amount_refund_reserved_minor = 0",
        "capture_status = 'failed'",
        "capture_status = NULL",
        "capture_status = 'perhaps'",
        "status = 'perhaps'",
        "status = NULL",
        "amount_minor = 0",
        "amount_minor = 1000000000001",
        "merchant_id = 'mer_nobody'",
    ],
)
async def test_a_captured_payment_cannot_be_made_wrong_by_hand(database: Database, change: str) -> None:
    [payment] = await store_payments(database)
    await write_rows(database, f"UPDATE payments SET status = 'success', {CAPTURED}")
    before = await read_payment(database, payment.id)

    with pytest.raises(StatementRefusedError):
        await write_rows(database, f"UPDATE payments SET {change}")

    assert await read_payment(database, payment.id) == before


async def test_refunds_that_add_up_to_more_than_was_captured_are_refused(database: Database) -> None:
    await store_payments(database)
    await write_rows(database, f"UPDATE payments SET status = 'success', {CAPTURED}")
    reserve = "UPDATE payments SET amount_refund_reserved_minor = amount_refund_reserved_minor + 3000"

    assert await write_rows(database, reserve) == await write_rows(database, reserve) == 1
    with pytest.raises(StatementRefusedError, match="payments_refunded_check"):
        await write_rows(database, reserve)
