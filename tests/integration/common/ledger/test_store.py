"""The ledger on a real PostgreSQL: what is booked balances at the commit, once; the balances are the entries' sums."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from tests.support.examples import NOW, example_refund
from tests.support.records import read_payment, read_rows, store_payments, write_rows

from gateway_common.db.database import Connection, Database, StatementRefusedError
from gateway_common.ids import REFUND, new_id
from gateway_common.ledger.model import Account, Posting, PostingKind, capture_lines
from gateway_common.ledger.store import find_balances, insert_postings, list_entries
from gateway_common.payments import model
from gateway_common.payments.model import CaptureStatus, Payment, PaymentStatus
from gateway_common.payments.store import PaymentChange, save_payment
from gateway_common.refunds.model import Refund, RefundStatus, post_hold, post_settled
from gateway_common.refunds.store import insert_refund

MINE: dict[str, Any] = {"merchant_id": "mer_test", "livemode": False}
SUMS = """
SELECT merchant_id, livemode, account, currency, sum(amount_minor)::bigint AS amount_minor
FROM ledger_entries GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
BALANCES = "SELECT * FROM ledger_balances ORDER BY 1, 2, 3, 4"


def capture_of(payment: Payment, amount_minor: int = 50_000, fee_minor: int = 0, number: int = 1) -> Posting:
    return Posting(
        transaction_id=f"{payment.id}:capture:{number}",
        kind=PostingKind.CAPTURE,
        merchant_id=payment.merchant_id,
        livemode=payment.livemode,
        currency=payment.currency,
        payment_id=payment.id,
        lines=capture_lines(amount_minor, fee_minor),
        created_at=NOW,
    )


async def book(database: Database, *postings: Posting) -> None:
    async with database.transaction() as connection:
        await insert_postings(connection, postings)


async def store_refund(database: Database, payment: Payment, amount_minor: int) -> Refund:
    refund = example_refund(id=new_id(REFUND, NOW), payment_id=payment.id, amount_minor=amount_minor)
    async with database.statement() as connection:
        await insert_refund(connection, refund)
    return refund


async def balances(database: Database, **scope: Any) -> dict[tuple[str, str], int]:
    async with database.statement() as connection:
        return await find_balances(connection, **MINE | scope)


async def test_a_capture_and_its_refunds_move_the_balances_as_they_are_booked(database: Database) -> None:
    [payment] = await store_payments(database)
    first, second = [await store_refund(database, payment, amount) for amount in (1_000, 500)]

    await book(database, capture_of(payment, 50_000, 1_000))
    await book(database, post_hold(first, NOW), post_hold(second, NOW))
    held = await balances(database)
    await book(database, post_settled(replace(first, status=RefundStatus.PROCESSED), NOW))
    await book(database, post_settled(replace(second, status=RefundStatus.FAILED), NOW))

    assert held == {
        ("INR", "provider_clearing"): -50_000,
        ("INR", "merchant_balance"): 47_500,
        ("INR", "refund_hold"): 1_500,
        ("INR", "fees"): 1_000,
    }
    assert await balances(database) == {
        ("INR", "provider_clearing"): -49_000,
        ("INR", "merchant_balance"): 48_000,
        ("INR", "refund_hold"): 0,
        ("INR", "fees"): 1_000,
    }
    assert await read_rows(database, SUMS) == await read_rows(database, BALANCES)


async def test_currencies_merchants_and_modes_are_kept_apart(database: Database) -> None:
    await write_rows(database, "INSERT INTO merchants VALUES ('mer_other', 'Other', now())")
    scopes: list[dict[str, Any]] = [{}, {"currency": "JPY"}, {"merchant_id": "mer_other"}, {"livemode": True}]
    for amount, scope in enumerate(scopes, 1):
        [payment] = await store_payments(database, **scope)
        await book(database, capture_of(payment, amount))

    assert await balances(database) == {
        ("INR", "provider_clearing"): -1, ("INR", "merchant_balance"): 1,
        ("JPY", "provider_clearing"): -2, ("JPY", "merchant_balance"): 2,
    }  # fmt: skip
    assert (await balances(database, merchant_id="mer_other"))["INR", "merchant_balance"] == 3
    assert (await balances(database, livemode=True))["INR", "merchant_balance"] == 4


LINE = """
INSERT INTO ledger_entries
VALUES (:id, 'by_hand', 'capture', 'mer_test', false, :account, :currency, :amount, :payment_id, NULL, now())
"""


async def write_line(connection: Connection, payment: Payment, account: str, amount: int, currency: str) -> None:
    values = {"id": f"ent_{account}", "account": account, "currency": currency, "amount": amount}
    await connection.execute(text(LINE), values | {"payment_id": payment.id})


@pytest.mark.parametrize(("amount", "currency"), [(99, "INR"), (101, "INR"), (100, "USD"), (None, "INR")])
async def test_entries_that_do_not_sum_to_zero_per_currency_are_refused_at_the_commit_whoever_writes(
    database: Database, amount: int | None, currency: str
) -> None:
    [payment] = await store_payments(database)
    reached_commit = False

    async def write() -> None:
        nonlocal reached_commit
        async with database.transaction() as connection:
            await write_line(connection, payment, "provider_clearing", -100, "INR")
            if amount is not None:
                await write_line(connection, payment, "merchant_balance", amount, currency)
            await connection.execute(text("UPDATE payments SET description = 'beside it'"))
            reached_commit = True

    with pytest.raises(StatementRefusedError, match="by_hand does not sum to zero"):
        await write()

    assert reached_commit
    assert await read_rows(database, "SELECT FROM ledger_entries") == []
    assert await read_payment(database, payment.id) == payment, "what was done beside it is undone too"


async def test_lines_that_balance_may_come_in_several_statements_of_one_transaction(database: Database) -> None:
    [payment] = await store_payments(database)

    async with database.transaction() as connection:
        await write_line(connection, payment, "provider_clearing", -100, "INR")
        await write_line(connection, payment, "fees", 30, "INR")
        await write_line(connection, payment, "merchant_balance", 70, "INR")

    assert len(await read_rows(database, "SELECT FROM ledger_entries")) == 3


async def test_nothing_is_booked_twice_and_the_second_try_leaves_the_balance_as_it_was(database: Database) -> None:
    [payment] = await store_payments(database)
    await book(database, capture_of(payment))

    with pytest.raises(StatementRefusedError, match="ledger_entries_once"):
        await book(database, capture_of(payment))

    assert (await balances(database))["INR", "merchant_balance"] == 50_000
    assert await read_rows(database, SUMS) == await read_rows(database, BALANCES)


async def test_many_who_book_for_one_merchant_at_once_lose_no_unit_and_wait_in_no_ring(database: Database) -> None:
    payments = await store_payments(database, 40)
    others = await store_payments(database, 40, currency="USD")

    await asyncio.gather(
        *(
            book(database, *(capture_of(each, 100 + number, 7) for each in (pair if number % 2 else pair[::-1])))
            for number, pair in enumerate(zip(payments, others, strict=True))
        )
    )

    taken = sum(100 + number for number in range(40))
    assert await balances(database) == {
        (currency, account): amount
        for currency in ("INR", "USD")
        for account, amount in (("provider_clearing", -taken), ("merchant_balance", taken - 280), ("fees", 280))
    }
    assert await read_rows(database, SUMS) == await read_rows(database, BALANCES)


async def test_a_payments_change_and_its_money_are_one(database: Database) -> None:
    [payment] = await store_payments(database)
    await write_rows(
        database, "UPDATE payments SET status = 'success', capture_status = 'pending', amount_captured_minor = 50000"
    )
    before = replace(
        payment, status=PaymentStatus.SUCCESS, capture_status=CaptureStatus.PENDING, amount_captured_minor=50_000
    )
    after = model.complete_capture(before, NOW)
    change = PaymentChange(before=before, after=after, postings=(capture_of(payment),))

    async with database.transaction() as connection:
        await save_payment(connection, replace(change, before=replace(before, version=9)))
    assert await balances(database) == {}, "a change that somebody else was before books nothing"
    async with database.transaction() as connection:
        await save_payment(connection, change)

    assert (await balances(database))["INR", "merchant_balance"] == 50_000


async def test_entries_are_listed_newest_first_in_pages_of_one_payment_or_of_all(database: Database) -> None:
    first, second = await store_payments(database, 2)
    await book(database, capture_of(first, 500, 10))
    await book(database, capture_of(second))

    async def listed(**filters: Any) -> list[tuple[str, str, int]]:
        async with database.statement() as connection:
            found = await list_entries(connection, **MINE | {"limit": 10} | filters)
        return [(entry.id, entry.account, entry.amount_minor) for entry in found]

    everything = await listed()
    assert len(everything) == 5
    assert everything == sorted(everything, reverse=True)
    assert [*await listed(limit=2), *await listed(limit=10, starting_after=everything[1][0])] == everything
    of_first = await listed(payment_id=first.id)
    assert sorted((account, amount) for _, account, amount in of_first) == [
        (Account.FEES, 10), (Account.MERCHANT_BALANCE, 490), (Account.PROVIDER_CLEARING, -500),
    ]  # fmt: skip
    assert await listed(merchant_id="mer_other") == await listed(livemode=True) == []
