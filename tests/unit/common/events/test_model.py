"""A webhook's bytes are those that a receiver gets when it parses them and prints them again."""

import json
import subprocess
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.support.examples import NOW, example_payment, example_refund
from tests.support.node import needed

from gateway_api.fields import METADATA_KEYS_MOST
from gateway_api.payments.schemas import CreateUpiCollectPayment
from gateway_common.events.model import Event, EventType, new_event
from gateway_common.payments.model import payment_snapshot
from gateway_common.refunds.model import refund_snapshot

RECEIVER = """
const bodies = require('fs').readFileSync(0, 'utf8').split('\\n').slice(0, -1)
const wrong = bodies.filter((body) => JSON.stringify(JSON.parse(body)) !== body)
console.log(JSON.stringify({ read: bodies.length, wrong: wrong.slice(0, 5) }))
"""
# What has broken such signatures before, beside whatever hypothesis finds.
AWKWARD = [
    "₹", "é", "😀", "\u2028\u2029", "\x7f", "\ufeff", "\uffff", "</script>", "\\", '"', "/", "\t\n\r\x01", "-0", "1e21",
    "__proto__", "constructor", "toJSON", "01", "-1", "1.0", "4294967295x", "٣", " 7",
]  # fmt: skip
TEXTS = st.sampled_from(AWKWARD) | st.text(max_size=60)
METADATA = st.dictionaries(TEXTS, TEXTS, max_size=METADATA_KEYS_MOST)


def event_of(metadata: dict[str, str], description: str | None) -> Event | None:
    """The event of a payment created with these values, None if the API refuses them."""
    request = {"amount": 10**12, "currency": "INR", "method": "upi", "vpa": "test@upi"}
    try:
        wanted = CreateUpiCollectPayment(**request, metadata=metadata, description=description)
    except ValidationError:
        return None
    payment = example_payment(amount_minor=wanted.amount, metadata=wanted.metadata, description=wanted.description)
    return new_event(
        EventType.PAYMENT_CREATED, payment_snapshot(payment), merchant_id="mer_test", now=NOW, traceparent=None
    )


def bodies() -> list[bytes]:
    """Bodies of many events, each on one line."""
    found: list[bytes] = []

    @settings(max_examples=1500, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(METADATA, st.none() | TEXTS)
    def collect(metadata: dict[str, str], description: str | None) -> None:
        event = event_of(metadata, description)
        if event is not None:
            found.append(event.body)

    collect()
    return found


def test_node_prints_every_body_as_it_was_sent() -> None:
    node = needed("node", "to show that receivers can verify our webhooks")
    made = bodies()

    done = subprocess.run(
        [node, "-e", RECEIVER], input=b"".join(body + b"\n" for body in made), capture_output=True, check=True
    )

    assert json.loads(done.stdout) == {"read": len(made), "wrong": []}
    assert len(made) > 500


@pytest.mark.parametrize("key", ["0", "1", "42", "4294967294", "99999999999"])
def test_a_key_that_a_receiver_would_move_to_the_front_is_refused(key: str) -> None:
    assert event_of({key: "x"}, None) is None


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
def test_what_can_not_be_stored_or_sent_is_refused(text: str) -> None:
    assert event_of({"key": text}, None) is None
    assert event_of({f"key{text}": "x"}, None) is None
    assert event_of({}, text) is None


def test_no_number_in_an_event_is_a_float_or_beyond_what_javascript_counts() -> None:
    event = event_of({}, None)
    assert event is not None

    numbers: list[Any] = []
    json.loads(event.body, parse_float=pytest.fail, parse_int=lambda digits: numbers.append(int(digits)))

    assert numbers
    assert all(abs(number) < 2**53 for number in numbers)


@pytest.mark.parametrize(
    ("event_type", "snapshot"),
    [
        (EventType.PAYMENT_SUCCESS, payment_snapshot(example_payment())),
        (EventType.REFUND_PROCESSED, refund_snapshot(example_refund())),
    ],
)
def test_the_body_holds_the_whole_object_under_its_name(event_type: EventType, snapshot: dict[str, Any]) -> None:
    event = new_event(event_type, snapshot, merchant_id="mer_test", now=NOW, traceparent=None)

    assert event.body.startswith(b'{"id":"evt_')
    assert orjson.loads(event.body) == {
        "id": event.id,
        "type": event_type,
        "created_at": "2026-11-23T14:05:06.789Z",
        "data": {snapshot["object"]: snapshot},
    }
    assert (event.object_id, event.livemode, event.merchant_id) == (snapshot["id"], False, "mer_test")


def test_types_are_dotted_words_of_the_contract() -> None:
    assert {str(event_type) for event_type in EventType} == {
        "payment.created", "payment.processing", "payment.success", "payment.failed", "payment.captured",
        "payment.capture_failed", "payment.cancelled", "payment.expired", "payment.late_success", "order.paid",
        "refund.created", "refund.processed", "refund.failed",
        "webhook_endpoint.disabled", "webhook_endpoint.enabled", "ping",
    }  # fmt: skip
