"""Payments as work, on a real PostgreSQL: who gets a lease, whose outcome counts, what is rung for and when."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.examples import NOW
from tests.support.records import (
    LEASE_LIMIT_SECONDS,
    created_event,
    free_leases,
    read_event_types,
    read_lease,
    read_payment,
    read_rows,
    store_payments,
    write_rows,
)

from gateway_common.db.database import Database
from gateway_common.db.gather import Gatherer
from gateway_common.events.model import EventType
from gateway_common.payments import model
from gateway_common.payments.model import Payment, PaymentStatus
from gateway_common.payments.queue_store import (
    Saved,
    claim_payments,
    measure_due_payments,
    measure_payments_needing_attention,
    record_payments,
    release_payment_leases,
    ring_due_payments,
)
from gateway_common.payments.store import PaymentChange, get_payment, lock_resting_payments, save_payment
from gateway_common.workers.store import SILENT_AFTER_SECONDS, renew_worker

AGE_LEASES = "UPDATE payments SET leased_at = now() - make_interval(secs => :seconds)"
SILENCE = "UPDATE workers SET seen_at = now() - make_interval(secs => :seconds)"


def claim_of(payment: Payment, worker_id: str = "wrk_1") -> PaymentChange:
    """The change that takes a payment, as the processor decides it."""
    after = replace(payment, attempt=payment.attempt + 1, operation_attempt=payment.operation_attempt + 1)
    if payment.status is not PaymentStatus.PENDING:
        return PaymentChange(before=payment, after=after, worker_id=worker_id)
    after = model.move(after, PaymentStatus.PROCESSING, NOW)
    events = (created_event(after, EventType.PAYMENT_PROCESSING),)
    return PaymentChange(before=payment, after=after, events=events, worker_id=worker_id)


def approval_of(payment: Payment) -> PaymentChange:
    """The change that ends an authorization."""
    after = model.authorize(payment, NOW, authorization_ttl=timedelta(days=7))
    return PaymentChange(before=payment, after=after, events=(created_event(after, EventType.PAYMENT_SUCCESS),))


async def claim(database: Database, *changes: PaymentChange) -> list[Saved]:
    async with database.statement() as connection:
        return await claim_payments(connection, changes)


async def record(database: Database, *changes: PaymentChange) -> list[Saved]:
    async with database.statement() as connection:
        return await record_payments(connection, changes)


async def claimed_payment(database: Database, worker_id: str = "wrk_1") -> Payment:
    [payment] = await store_payments(database)
    [saved] = await claim(database, claim_of(payment, worker_id))
    assert saved.applied
    return await read_payment(database, payment.id)


async def ring_due(database: Database, *, most: int = 10_000, again_after_seconds: float = 1.0) -> list[str]:
    async with database.statement() as connection:
        due = await ring_due_payments(connection, most=most, again_after_seconds=again_after_seconds)
    return [payment.id for payment in due]


async def register(database: Database, worker_id: str) -> None:
    async with database.statement() as connection:
        await renew_worker(connection, worker_id, "processor")


async def test_a_claim_takes_the_lease_and_leaves_the_due_time_as_it_was(database: Database) -> None:
    [payment] = await store_payments(database)
    [before] = await read_rows(database, "SELECT due_at FROM payments")

    [saved] = await claim(database, claim_of(payment))

    assert saved.applied
    [row] = await read_rows(database, "SELECT worker_id, leased_at, due_at, status, attempt, version FROM payments")
    assert row.pop("leased_at") is not None
    assert row == before | {"worker_id": "wrk_1", "status": "processing", "attempt": 1, "version": 2}


async def test_of_two_workers_that_claim_at_once_the_first_to_commit_wins(database: Database) -> None:
    [payment] = await store_payments(database)

    async with database.transaction() as first, database.transaction() as second:
        [won] = await claim_payments(first, [claim_of(payment, "wrk_1")])
        waiting = asyncio.create_task(claim_payments(second, [claim_of(payment, "wrk_2")]))
        await asyncio.sleep(0.1)
        assert not waiting.done(), "the second waits for the row, it does not guess"
        await first.commit()
        [lost] = await waiting

    assert (won.applied, lost.applied) == (True, False)
    assert (await read_lease(database, payment.id))["worker_id"] == "wrk_1"
    assert await read_event_types(database, payment.id) == ["payment.created", "payment.processing"]


async def test_workers_that_claim_the_same_batches_in_any_order_share_them_without_a_deadlock(
    database: Database,
) -> None:
    payments = await store_payments(database, 60)
    workers = [f"wrk_{number}" for number in range(6)]

    claims = await asyncio.gather(
        *(
            claim(database, *(claim_of(payment, worker) for payment in payments[turn * 7 :] + payments[: turn * 7]))
            for turn, worker in enumerate(workers)
        )
    )

    assert sum(saved.applied for batch in claims for saved in batch) == len(payments)
    types = await read_rows(database, "SELECT type, count(*) AS count FROM events GROUP BY type")
    assert {row["type"]: row["count"] for row in types} == {"payment.created": 60, "payment.processing": 60}


async def test_two_claims_of_one_payment_in_one_batch_take_it_once_with_one_event(database: Database) -> None:
    first, second = await store_payments(database, 2)

    saved = await claim(database, claim_of(first), claim_of(second), claim_of(first))

    assert Counter(each.applied for each in saved) == {True: 2, False: 1}
    assert await read_event_types(database, first.id) == ["payment.created", "payment.processing"]


@pytest.mark.parametrize("state", ["worker_id = 'wrk_2'", "due_at = NULL", "due_at = now() + interval '1 minute'"])
async def test_what_is_held_or_not_due_is_not_claimed(database: Database, state: str) -> None:
    [payment] = await store_payments(database)
    await write_rows(database, f"UPDATE payments SET {state}")

    [saved] = await claim(database, claim_of(payment))

    assert not saved.applied
    assert await read_payment(database, payment.id) == payment
    assert await read_event_types(database, payment.id) == ["payment.created"]


async def test_an_outcome_is_written_with_its_event_and_gives_the_lease_back(database: Database) -> None:
    payment = await claimed_payment(database)

    [saved] = await record(database, replace(approval_of(payment), due_in_seconds=30))

    assert saved.applied
    assert (await read_payment(database, payment.id)).status is PaymentStatus.SUCCESS
    lease = await read_lease(database, payment.id)
    assert (lease["worker_id"], lease["leased_at"], lease["rung_at"]) == (None, None, None)
    assert 25 < lease["due_in_seconds"] <= 30
    assert await read_event_types(database, payment.id) == ["payment.created", "payment.processing", "payment.success"]


async def test_an_outcome_of_an_old_attempt_writes_nothing_and_no_event(database: Database) -> None:
    slow = await claimed_payment(database, "wrk_slow")
    await free_leases(database)
    [taken] = await claim(database, claim_of(slow, "wrk_quick"))
    assert taken.applied
    held = await read_lease(database, slow.id)

    [saved] = await record(database, approval_of(slow))

    assert not saved.applied
    after = await read_lease(database, slow.id)
    assert (after["worker_id"], after["leased_at"]) == ("wrk_quick", held["leased_at"])
    assert (await read_payment(database, slow.id)).status is PaymentStatus.PROCESSING
    assert await read_event_types(database, slow.id) == ["payment.created", "payment.processing"]


@pytest.mark.parametrize("stale_first", [True, False])
async def test_a_stale_and_a_fresh_outcome_in_one_batch_do_not_mix(database: Database, *, stale_first: bool) -> None:
    old = await claimed_payment(database)
    await free_leases(database)
    await claim(database, claim_of(old))
    fresh = approval_of(await read_payment(database, old.id))
    declined = model.decline(old, NOW, code="payment_declined", message="An answer that came too late.")
    stale = PaymentChange(before=old, after=declined, events=(created_event(declined, EventType.PAYMENT_FAILED),))

    saved = await record(database, *([stale, fresh] if stale_first else [fresh, stale]))

    assert [each.applied for each in saved] == [not stale_first, stale_first]
    assert (await read_payment(database, old.id)).status is PaymentStatus.SUCCESS
    assert await read_event_types(database, old.id) == ["payment.created", "payment.processing", "payment.success"]


async def test_an_outcome_decided_on_an_older_version_is_not_written(database: Database) -> None:
    payment = await claimed_payment(database)
    async with database.transaction() as connection:
        newer = model.change(payment, NOW, provider_reference="newer")
        await save_payment(connection, PaymentChange(before=payment, after=newer, due_in_seconds=0))

    [refused] = await record(database, approval_of(payment))
    [written] = await record(database, approval_of(newer))

    assert (refused.applied, written.applied) == (False, True)
    assert (await read_payment(database, payment.id)).provider_reference == "newer"


async def test_a_merchants_decision_leaves_the_lease_to_whoever_holds_it(database: Database) -> None:
    payment = await claimed_payment(database)

    async with database.transaction() as connection:
        newer = model.change(payment, NOW)
        await save_payment(connection, PaymentChange(before=payment, after=newer, due_in_seconds=0))

    assert (await read_lease(database, payment.id))["worker_id"] == "wrk_1"


@pytest.mark.parametrize(
    ("silent_seconds", "lease_seconds", "is_freed"),
    [
        (0, 0, False),
        (SILENT_AFTER_SECONDS - 3, LEASE_LIMIT_SECONDS - 3, False),
        (SILENT_AFTER_SECONDS + 1, 0, True),
        (0, LEASE_LIMIT_SECONDS + 1, True),
        (None, 0, True),
    ],
    ids=["a live worker's", "a live worker's old one", "a silent worker's", "a forgotten one", "an unknown worker's"],
)
async def test_only_leases_of_silent_workers_and_forgotten_ones_are_freed(
    database: Database, silent_seconds: float | None, lease_seconds: float, *, is_freed: bool
) -> None:
    payment = await claimed_payment(database)
    await write_rows(database, AGE_LEASES, seconds=lease_seconds)
    if silent_seconds is not None:
        await register(database, "wrk_1")
        await write_rows(database, SILENCE, seconds=silent_seconds)

    freed = await free_leases(database)

    assert freed == is_freed
    assert ((await read_lease(database, payment.id))["worker_id"] is None) == is_freed
    assert await ring_due(database) == ([payment.id] if is_freed else []), "what was freed is rung for at once"


async def test_a_freed_payment_keeps_its_attempt_so_that_the_next_claim_fences_the_last(database: Database) -> None:
    payment = await claimed_payment(database)

    await free_leases(database)

    assert (await read_payment(database, payment.id)).attempt == 1
    assert (await read_lease(database, payment.id))["due_in_seconds"] <= 0


async def test_a_stopping_worker_gives_back_its_own_leases_only(database: Database) -> None:
    await register(database, "wrk_2")
    mine = [await claimed_payment(database, "wrk_1") for _ in range(3)]
    other = await claimed_payment(database, "wrk_2")

    async with database.transaction() as connection:
        released = await release_payment_leases(connection, "wrk_1")

    assert released == 3
    assert (await read_lease(database, other.id))["worker_id"] == "wrk_2"
    assert sorted(await ring_due(database)) == sorted(payment.id for payment in mine)


async def test_due_rows_are_rung_for_once_within_the_window_and_again_after_it(database: Database) -> None:
    [payment] = await store_payments(database)
    assert await ring_due(database) == [], "the API has just rung for it"

    await write_rows(database, "UPDATE payments SET rung_at = now() - interval '2 seconds'")
    rung = [await ring_due(database), await ring_due(database), await ring_due(database, again_after_seconds=0.0)]

    assert rung == [[payment.id], [], [payment.id]]


async def test_ringing_does_not_touch_what_lateness_is_read_from(database: Database) -> None:
    await store_payments(database)
    await write_rows(database, "UPDATE payments SET rung_at = NULL, due_at = now() - interval '5 seconds'")
    before = await read_rows(database, "SELECT due_at, attempt, version, status FROM payments")

    await ring_due(database)

    assert await read_rows(database, "SELECT due_at, attempt, version, status FROM payments") == before
    async with database.statement() as connection:
        count, oldest_seconds = await measure_due_payments(connection)
    assert count == 1
    assert 5 <= oldest_seconds < 30


async def test_the_longest_due_are_rung_for_first(database: Database) -> None:
    payments = await store_payments(database, 5)
    for lateness, payment in enumerate(payments):
        statement = "UPDATE payments SET rung_at = NULL, due_at = now() - make_interval(secs => :late) WHERE id = :id"
        await write_rows(database, statement, id=payment.id, late=lateness)

    rung = await ring_due(database, most=2)

    assert sorted(rung) == sorted(payment.id for payment in payments[3:])


async def test_two_sweepers_over_thousands_of_due_rows_ring_for_none_twice(database: Database) -> None:
    for _ in range(4):
        await store_payments(database, 1_000)
    await write_rows(database, "UPDATE payments SET rung_at = NULL")

    async def sweep() -> list[str]:
        rung: list[str] = []
        while batch := await ring_due(database, most=300, again_after_seconds=60):
            rung += batch
        return rung

    swept = await asyncio.gather(sweep(), sweep())

    assert all(swept), "neither waited for the other to be done"
    rung = [payment_id for each in swept for payment_id in each]
    assert len(rung) == len(set(rung)) == 4_000


async def test_rows_that_another_sweeper_looks_at_are_passed_over(database: Database) -> None:
    await store_payments(database, 10)
    await write_rows(database, "UPDATE payments SET rung_at = NULL")

    async with database.transaction() as looking:
        first = await ring_due_payments(looking, most=6, again_after_seconds=1)
        second = await ring_due(database)

    assert (len(first), len(second)) == (6, 4)
    assert not {payment.id for payment in first} & set(second)


async def test_in_a_gathered_batch_a_bad_row_harms_only_itself(database: Database) -> None:
    good, bad, other = [await claimed_payment(database) for _ in range(3)]
    gatherer: Gatherer[PaymentChange, Saved] = Gatherer(lambda changes: record(database, *changes))
    refused = replace(approval_of(bad), after=replace(approval_of(bad).after, amount_captured_minor=-1))

    results = await asyncio.gather(
        *(gatherer.submit(change) for change in (approval_of(good), refused, approval_of(other))),
        return_exceptions=True,
    )

    assert [type(result).__name__ for result in results] == ["Saved", "StatementRefusedError", "Saved"]
    statuses = [(await read_payment(database, payment.id)).status for payment in (good, bad, other)]
    assert statuses == [PaymentStatus.SUCCESS, PaymentStatus.PROCESSING, PaymentStatus.SUCCESS]
    types = await read_rows(database, "SELECT type FROM events WHERE type = 'payment.success'")
    assert len(types) == 2


async def is_locked(database: Database, payment_id: str) -> bool:
    """Whether a transaction holds the payment's row."""
    free = "SELECT id FROM payments WHERE id = :id FOR NO KEY UPDATE SKIP LOCKED"
    return not await read_rows(database, free, id=payment_id)


async def test_payments_that_nobody_is_at_are_locked_and_those_of_others_are_not_waited_for(database: Database) -> None:
    resting, leased, locked = await store_payments(database, 3)
    await claim(database, claim_of(leased))
    async with database.transaction() as other:
        await get_payment(other, locked.id, merchant_id=locked.merchant_id, livemode=locked.livemode, lock=True)
        async with database.transaction() as connection:
            found = await lock_resting_payments(connection, [resting.id, leased.id, locked.id, "pay_of_nobody"])
            assert await is_locked(database, resting.id)

    assert not await is_locked(database, resting.id)
    assert found == {resting.id: resting, leased.id: None, locked.id: None}


async def test_payments_that_need_a_person_are_counted(database: Database) -> None:
    await store_payments(database, 2)
    await store_payments(database, 3, needs_attention=True)

    async with database.statement() as connection:
        counted = await measure_payments_needing_attention(connection)

    needing = await read_rows(database, "SELECT count(*) AS count FROM payments WHERE needs_attention")
    assert counted == needing[0]["count"]
