"""Refunds on a real PostgreSQL: whose they are, and in which order they are worked off."""

from typing import Any

import pytest
from tests.support.examples import example_refund
from tests.support.records import store_payments, write_rows

from gateway_common.db.database import Database, StatementRefusedError
from gateway_common.errors import NotFoundError
from gateway_common.refunds.model import Refund, RefundStatus
from gateway_common.refunds.store import get_refund, insert_refund, list_open_refunds, list_refunds, save_refund


async def store_refund(database: Database, payment_id: str, refund_id: str, **changes: Any) -> Refund:
    refund = example_refund(id=refund_id, payment_id=payment_id, **changes)
    async with database.statement() as connection:
        await insert_refund(connection, refund)
    return refund


async def test_open_refunds_are_worked_off_by_age_but_first_the_one_that_is_with_the_provider(
    database: Database,
) -> None:
    payment, other = await store_payments(database, 2)
    await store_refund(database, payment.id, "rfnd_1")
    await store_refund(database, payment.id, "rfnd_3", status=RefundStatus.PROCESSING)
    await store_refund(database, payment.id, "rfnd_2")
    await store_refund(database, payment.id, "rfnd_0", status=RefundStatus.PROCESSED)
    await store_refund(database, payment.id, "rfnd_4", status=RefundStatus.FAILED)
    await store_refund(database, other.id, "rfnd_5")

    async with database.statement() as connection:
        waiting = await list_open_refunds(connection, payment.id)

    assert [refund.id for refund in waiting] == ["rfnd_3", "rfnd_1", "rfnd_2"]


async def test_a_saved_refund_is_read_back_as_it_was_saved(database: Database) -> None:
    [payment] = await store_payments(database)
    await store_refund(database, payment.id, "rfnd_1", metadata={"ticket": "₹ 12"})
    failed = example_refund(
        id="rfnd_1",
        payment_id=payment.id,
        metadata={"ticket": "₹ 12"},
        status=RefundStatus.FAILED,
        error_code="refund_failed",
        error_message="No.",
        version=3,
    )

    async with database.transaction() as connection:
        await save_refund(connection, failed)

    async with database.statement() as connection:
        assert await get_refund(connection, "rfnd_1", merchant_id="mer_test", livemode=False) == failed


async def test_a_refund_is_found_by_its_own_merchant_in_its_own_mode_only(database: Database) -> None:
    [payment] = await store_payments(database)
    refund = await store_refund(database, payment.id, "rfnd_1")

    async with database.statement() as connection:
        mine = await list_refunds(connection, merchant_id="mer_test", livemode=False, limit=10)
        assert mine == [refund]
        for merchant_id, livemode in (("mer_other", False), ("mer_test", True)):
            with pytest.raises(NotFoundError):
                await get_refund(connection, "rfnd_1", merchant_id=merchant_id, livemode=livemode)
            assert await list_refunds(connection, merchant_id=merchant_id, livemode=livemode, limit=10) == []


@pytest.mark.parametrize("change", ["amount_minor = 0", "status = 'perhaps'", "payment_id = 'pay_nobody'"])
async def test_a_refund_cannot_be_made_wrong_by_hand(database: Database, change: str) -> None:
    [payment] = await store_payments(database)
    await store_refund(database, payment.id, "rfnd_1")

    with pytest.raises(StatementRefusedError):
        await write_rows(database, f"UPDATE refunds SET {change}")
