"""A timeline in the order in which things happened, and for every state of a payment what happens next, in words."""

import re
from datetime import datetime, timedelta

import pytest
from tests.support.examples import NOW, example_payment

from gateway_common.payments.model import CaptureStatus, Operation, Payment, PaymentStatus, VoidStatus, next_operation
from gateway_common.timeline.model import (
    EntryKind,
    NextStep,
    TimelineEntry,
    WaitingFor,
    Work,
    in_order,
    next_step,
    timeline_snapshot,
)
from gateway_common.timeline.webhooks import WaitingDelivery
from gateway_common.webhooks.model import DeliveryStatus, EndpointStatus

DUE = NOW + timedelta(seconds=5)
EXPIRES = NOW + timedelta(days=7)
RESTS = Work(due_at=None, leased_at=None)
IS_DUE = Work(due_at=DUE, leased_at=None)
IS_HELD = Work(due_at=NOW, leased_at=NOW)


def payment(status: PaymentStatus, **changes: object) -> Payment:
    values = {"status": status, "authorization_expires_at": EXPIRES if status is PaymentStatus.SUCCESS else None}
    return example_payment(**values | changes)


def captured(capture_status: CaptureStatus, **changes: object) -> Payment:
    return payment(PaymentStatus.SUCCESS, capture_status=capture_status, amount_captured_minor=50_000, **changes)


PENDING = payment(PaymentStatus.PENDING)
PROCESSING = payment(PaymentStatus.PROCESSING, operation_attempt=1)
UNANSWERED = payment(PaymentStatus.PROCESSING, operation_attempt=1, request_expires_at=EXPIRES)
UNREACHED = payment(PaymentStatus.PROCESSING)
UNKNOWN = payment(PaymentStatus.PROCESSING, operation_attempt=12, needs_attention=True)
LATE = payment(PaymentStatus.FAILED, provider="simulator", has_news=True)
AUTHORIZED = payment(PaymentStatus.SUCCESS)
CAPTURE_REFUSED = payment(PaymentStatus.SUCCESS, capture_status=CaptureStatus.FAILED)
CAPTURING = captured(CaptureStatus.PENDING)
CAPTURED = captured(CaptureStatus.COMPLETED)
REFUNDING = captured(CaptureStatus.COMPLETED, amount_refund_reserved_minor=1_000)
PARTLY_REFUNDED = captured(CaptureStatus.COMPLETED, amount_refund_reserved_minor=1_000, amount_refunded_minor=1_000)
REFUNDED = captured(CaptureStatus.COMPLETED, amount_refund_reserved_minor=50_000, amount_refunded_minor=50_000)
FAILED = payment(PaymentStatus.FAILED)
CANCELLED = payment(PaymentStatus.CANCELLED)
VOIDING = payment(PaymentStatus.CANCELLED, void_status=VoidStatus.PENDING, authorization_expires_at=EXPIRES)
VOIDED = payment(PaymentStatus.CANCELLED, void_status=VoidStatus.COMPLETED)
VOID_REFUSED = payment(
    PaymentStatus.CANCELLED, void_status=VoidStatus.FAILED, needs_attention=True, authorization_expires_at=EXPIRES
)
WITHDRAWING = payment(PaymentStatus.EXPIRED, void_status=VoidStatus.PENDING)
NOT_WITHDRAWN = payment(
    PaymentStatus.EXPIRED, provider="simulator", void_status=VoidStatus.FAILED, needs_attention=True, has_news=True
)
NOT_WITHDRAWN_NOR_PAID = payment(PaymentStatus.EXPIRED, void_status=VoidStatus.FAILED)
EXPIRED_UNANSWERED = payment(PaymentStatus.EXPIRED)
EXPIRING = payment(PaymentStatus.EXPIRED, void_status=VoidStatus.PENDING, authorization_expires_at=EXPIRES)
EXPIRED = payment(PaymentStatus.EXPIRED, void_status=VoidStatus.COMPLETED)
YOU_DECIDE = "You capture the payment, in full or in part, or cancel it. After this time it expires uncaptured."
EVERY_STATE: list[tuple[Payment, Work, str, WaitingFor, datetime | None]] = [
    (PENDING, IS_DUE, "A processor asks the provider to authorize the payment.", WaitingFor.PROCESSOR, DUE),
    (
        PROCESSING, IS_HELD, "The provider was asked to authorize the payment: its answer is awaited.",
        WaitingFor.PROVIDER, None,
    ),
    (
        PROCESSING, IS_DUE, "Whether the provider could authorize the payment is not known yet: it is asked again.",
        WaitingFor.PROVIDER, DUE,
    ),
    (
        UNANSWERED, IS_DUE, "The customer approves the payment. After this time it expires.",
        WaitingFor.CUSTOMER, EXPIRES,
    ),
    (
        UNREACHED, IS_DUE, "No provider could be reached, so nothing was charged. It is tried again.",
        WaitingFor.PROVIDER, DUE,
    ),
    (
        UNKNOWN, IS_DUE,
        "The provider has not said for long whether it could authorize the payment. It is asked again; ask there too.",
        WaitingFor.SUPPORT, DUE,
    ),
    (LATE, IS_DUE, "A processor asks the provider to say what became of the payment.", WaitingFor.PROCESSOR, DUE),
    (AUTHORIZED, Work(due_at=EXPIRES, leased_at=None), YOU_DECIDE, WaitingFor.MERCHANT, EXPIRES),
    (CAPTURE_REFUSED, Work(due_at=EXPIRES, leased_at=None), YOU_DECIDE, WaitingFor.MERCHANT, EXPIRES),
    (CAPTURING, IS_DUE, "A processor asks the provider to take the money.", WaitingFor.PROCESSOR, DUE),
    (
        CAPTURING, IS_HELD, "The provider was asked to take the money: its answer is awaited.",
        WaitingFor.PROVIDER, None,
    ),
    (
        CAPTURED, RESTS, "Nothing: the payment is captured. 500.00 INR can be refunded.",
        WaitingFor.NOBODY, None,
    ),
    (REFUNDING, IS_DUE, "A processor asks the provider to refund the customer.", WaitingFor.PROCESSOR, DUE),
    (
        PARTLY_REFUNDED, RESTS, "Nothing: the payment is captured. 490.00 INR can be refunded.",
        WaitingFor.NOBODY, None,
    ),
    (REFUNDED, RESTS, "Nothing: all that was captured is refunded.", WaitingFor.NOBODY, None),
    (FAILED, RESTS, "Nothing: the payment failed. A new payment may be made.", WaitingFor.NOBODY, None),
    (CANCELLED, RESTS, "Nothing: the payment was cancelled.", WaitingFor.NOBODY, None),
    (VOIDING, IS_DUE, "A processor asks the provider to give the authorization back.", WaitingFor.PROCESSOR, DUE),
    (VOIDED, RESTS, "Nothing: the payment was cancelled.", WaitingFor.NOBODY, None),
    (
        VOID_REFUSED, RESTS,
        "The provider did not void the authorization. It lapses by itself; ask the provider to hurry.",
        WaitingFor.SUPPORT, None,
    ),
    (EXPIRED_UNANSWERED, RESTS, "Nothing: the payment expired.", WaitingFor.NOBODY, None),
    (EXPIRING, IS_DUE, "A processor asks the provider to give the authorization back.", WaitingFor.PROCESSOR, DUE),
    (WITHDRAWING, IS_DUE, "A processor asks the provider to take the request back.", WaitingFor.PROCESSOR, DUE),
    (
        NOT_WITHDRAWN, IS_DUE, "A processor asks the provider to say what became of the payment.",
        WaitingFor.PROCESSOR, DUE,
    ),
    (NOT_WITHDRAWN_NOR_PAID, RESTS, "Nothing: the payment expired.", WaitingFor.NOBODY, None),
    (EXPIRED, RESTS, "Nothing: the payment expired.", WaitingFor.NOBODY, None),
]  # fmt: skip


@pytest.mark.parametrize(("payment", "work", "what", "waiting_for", "at"), EVERY_STATE)
def test_every_state_says_what_is_next_for_whom_we_wait_and_when(
    payment: Payment, work: Work, *, what: str, waiting_for: WaitingFor, at: datetime | None
) -> None:
    assert next_step(payment, work) == NextStep(what=what, waiting_for=waiting_for, at=at)


def test_no_status_and_no_operation_is_left_without_words() -> None:
    assert {payment.status for payment, *_ in EVERY_STATE} == set(PaymentStatus)
    assert {next_operation(payment) for payment, *_ in EVERY_STATE} == {None, *Operation}


@pytest.mark.parametrize(("payment", "work"), [(payment, work) for payment, work, *_ in EVERY_STATE])
def test_the_words_are_sentences_for_people_without_names_of_the_code(payment: Payment, work: Work) -> None:
    what = next_step(payment, work).what

    assert re.fullmatch(r"[A-Z][^_]*[.]", what), what
    assert "None" not in what


def entry(kind: EntryKind, seconds: int = 0, summary: str = "") -> TimelineEntry:
    return TimelineEntry(at=NOW + timedelta(seconds=seconds), kind=kind, summary=summary, details={})


def test_of_one_moment_the_answer_is_told_before_what_it_changed_then_money_then_news() -> None:
    entries = [entry(kind) for kind in reversed(EntryKind)]

    assert [each.kind for each in in_order(entries)] == [
        "provider_answer", "event", "ledger_entry", "webhook_attempt",
    ]  # fmt: skip


def test_time_goes_before_kind_and_equals_stay_as_they_were_recorded() -> None:
    entries = [
        entry(EntryKind.PROVIDER_ANSWER, 2),
        entry(EntryKind.EVENT, 1, "payment.success"),
        entry(EntryKind.EVENT, 1, "order.paid"),
        entry(EntryKind.WEBHOOK_ATTEMPT, 0),
    ]

    assert [each.summary or each.kind for each in in_order(entries)] == [
        "webhook_attempt", "payment.success", "order.paid", "provider_answer",
    ]  # fmt: skip


def test_the_snapshot_holds_the_story_what_is_next_and_the_webhooks_that_have_not_arrived() -> None:
    waiting = WaitingDelivery(
        delivery_id="dlv_1",
        endpoint_id="we_1",
        event_type="payment.success",
        status=DeliveryStatus.PENDING,
        attempts=2,
        due_at=DUE,
        is_leased=False,
        endpoint_status=EndpointStatus.ENABLED,
        disabled_reason=None,
        blocked_until=None,
        asked_at=NOW,
    )
    created = TimelineEntry(at=NOW, kind=EntryKind.EVENT, summary="payment.created", details={"event_id": "evt_1"})

    assert timeline_snapshot(PENDING, [created], IS_DUE, [waiting], has_more=False) == {
        "object": "timeline",
        "payment_id": "pay_0example",
        "status": "pending",
        "entries": [
            {
                "at": "2026-11-23T14:05:06.789Z",
                "kind": "event",
                "summary": "payment.created",
                "event_id": "evt_1",
            }
        ],
        "has_more": False,
        "next": {
            "what": "A processor asks the provider to authorize the payment.",
            "waiting_for": "processor",
            "at": "2026-11-23T14:05:11.789Z",
        },
        "webhooks_waiting": [
            {
                "delivery_id": "dlv_1",
                "endpoint_id": "we_1",
                "event_type": "payment.success",
                "status": "pending",
                "attempts": 2,
                "what": "It is tried again.",
                "at": "2026-11-23T14:05:11.789Z",
            }
        ],
    }
