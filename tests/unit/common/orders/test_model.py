"""What may happen to an order: one payment under way at a time, and paid once."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.examples import NOW, example_order

from gateway_common.errors import OrderStateError, UnprocessableError
from gateway_common.orders.model import (
    TRANSITIONS,
    Order,
    OrderStatus,
    attempt_order,
    check_match,
    check_payable,
    order_snapshot,
    pay_order,
    release_order,
)

LATER = NOW + timedelta(seconds=7)
LEGAL = {
    ("created", "attempted"),
    ("attempted", "attempted"),
    ("attempted", "paid"),
    ("paid", "attempted"),
}
CREATED = example_order()
UNDER_WAY = example_order(status=OrderStatus.ATTEMPTED, payment_id="pay_1", attempts=1, version=2)
FREE_AGAIN = example_order(status=OrderStatus.ATTEMPTED, attempts=1, version=3)
PAID = example_order(status=OrderStatus.PAID, payment_id="pay_1", attempts=1, version=3)


def targets_of(order: Order) -> set[OrderStatus]:
    """The statuses that the rules can bring this order to."""
    reached = set()
    for step in (attempt_order, pay_order, release_order):
        for payment_id in ("pay_1", "pay_2"):
            try:
                moved = step(order, payment_id, LATER)
            except OrderStateError:
                continue
            if moved is not None:
                reached.add(moved.status)
    return reached


def test_the_table_of_transitions_is_the_one_merchants_were_promised() -> None:
    assert TRANSITIONS.keys() == set(OrderStatus)
    assert {(before, after) for before, afters in TRANSITIONS.items() for after in afters} == LEGAL


@pytest.mark.parametrize("order", [CREATED, UNDER_WAY, FREE_AGAIN, PAID], ids=["created", "busy", "free again", "paid"])
def test_every_rule_keeps_to_the_table_in_every_state(order: Order) -> None:
    assert targets_of(order) <= TRANSITIONS[order.status]


@pytest.mark.parametrize(("before", "after"), sorted(set(product(OrderStatus, OrderStatus))))
def test_each_legal_change_can_be_made_and_no_other(before: OrderStatus, after: OrderStatus) -> None:
    reached = set().union(*(targets_of(order) for order in (CREATED, UNDER_WAY, FREE_AGAIN, PAID)
                            if order.status is before))  # fmt: skip

    assert (after in reached) == ((before.value, after.value) in LEGAL)


def test_a_new_order_takes_a_payment_and_counts_it() -> None:
    assert attempt_order(CREATED, "pay_1", LATER) == replace(
        CREATED, status=OrderStatus.ATTEMPTED, payment_id="pay_1", attempts=1, version=2, updated_at=LATER
    )


def test_an_order_whose_payment_came_to_nothing_takes_another() -> None:
    again = attempt_order(FREE_AGAIN, "pay_2", LATER)

    assert (again.status, again.payment_id, again.attempts, again.version) == ("attempted", "pay_2", 2, 4)


def test_an_order_with_a_payment_under_way_takes_no_other_and_the_refusal_names_both() -> None:
    for refuse in (lambda: check_payable(UNDER_WAY), lambda: attempt_order(UNDER_WAY, "pay_2", LATER)):
        with pytest.raises(OrderStateError, match=r"is attempted and has a payment under way \(pay_1\)") as caught:
            refuse()
        assert caught.value.param == "order_id"


def test_a_paid_order_takes_no_other_and_the_refusal_names_its_status_and_payment() -> None:
    for refuse in (lambda: check_payable(PAID), lambda: attempt_order(PAID, "pay_2", LATER)):
        with pytest.raises(OrderStateError, match="is paid, by pay_1") as caught:
            refuse()
        assert caught.value.param == "order_id"


def test_an_order_is_paid_by_the_payment_that_is_under_way() -> None:
    assert pay_order(UNDER_WAY, "pay_1", LATER) == replace(
        UNDER_WAY, status=OrderStatus.PAID, version=3, updated_at=LATER
    )


@pytest.mark.parametrize("order", [CREATED, UNDER_WAY, FREE_AGAIN, PAID])
def test_an_order_is_not_paid_by_a_payment_that_is_not_its_own(order: Order) -> None:
    with pytest.raises(OrderStateError, match="pay_other is not the payment"):
        pay_order(order, "pay_other", LATER)


def test_an_order_is_not_paid_twice() -> None:
    with pytest.raises(OrderStateError, match="is paid can't become paid"):
        pay_order(PAID, "pay_1", LATER)


@pytest.mark.parametrize("order", [UNDER_WAY, PAID])
def test_an_order_whose_payment_ended_or_was_voided_is_free_again(order: Order) -> None:
    freed = release_order(order, "pay_1", LATER)

    assert freed == replace(
        order, status=OrderStatus.ATTEMPTED, payment_id=None, version=order.version + 1, updated_at=LATER
    )
    check_payable(freed)


@pytest.mark.parametrize("order", [CREATED, UNDER_WAY, FREE_AGAIN, PAID])
def test_a_payment_that_is_not_the_orders_own_does_not_free_it(order: Order) -> None:
    assert release_order(order, "pay_other", LATER) is None


@pytest.mark.parametrize(
    ("amount_minor", "currency", "param"),
    [(49_999, "INR", "amount"), (50_001, "INR", "amount"), (50_000, "USD", "currency"), (1, "JPY", "currency")],
)
def test_a_payment_must_have_the_orders_amount_and_currency(amount_minor: int, currency: str, param: str) -> None:
    check_match(CREATED, amount_minor=50_000, currency="INR")

    with pytest.raises(UnprocessableError, match=r"for 500\.00 INR") as caught:
        check_match(CREATED, amount_minor=amount_minor, currency=currency)
    assert caught.value.param == param


@given(st.lists(st.tuples(st.sampled_from(["attempt", "pay", "release"]), st.sampled_from("abc")), max_size=30))
def test_in_any_row_of_steps_an_order_has_one_payment_at_most_and_is_paid_only_with_it(
    steps: list[tuple[str, str]],
) -> None:
    order = CREATED
    rules = {"attempt": attempt_order, "pay": pay_order, "release": release_order}
    for name, payment_id in steps:
        try:
            after = rules[name](order, payment_id, LATER)
        except OrderStateError:
            continue
        if after is None:
            continue
        assert after.version == order.version + 1
        assert after.attempts == order.attempts + (name == "attempt")
        assert order.payment_id in {None, payment_id}, "only its own payment moves an order that has one"
        assert (after.status is not OrderStatus.PAID) or after.payment_id is not None
        order = after


def test_the_snapshot_shows_the_order_object_of_the_contract() -> None:
    assert order_snapshot(replace(PAID, reference="cart-7", metadata={"a": "b"})) == {
        "id": "ord_0example",
        "object": "order",
        "reference": "cart-7",
        "amount": 50_000,
        "currency": "INR",
        "status": "paid",
        "payment_id": "pay_1",
        "attempts": 1,
        "description": None,
        "metadata": {"a": "b"},
        "livemode": False,
        "version": 3,
        "created_at": "2026-11-23T14:05:06.789Z",
        "updated_at": "2026-11-23T14:05:06.789Z",
    }
