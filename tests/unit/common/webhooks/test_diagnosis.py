"""Each mistake that merchants make with signatures is named by its code, and no answer helps to sign anything."""

import base64
import hashlib
import hmac
import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.examples import NOW, example_payment

from gateway_common.events.model import EventType, new_event
from gateway_common.payments.model import payment_snapshot
from gateway_common.webhooks.diagnosis import Diagnosis, Received, diagnose, event_ids
from gateway_common.webhooks.signing import sign_body, sign_standard
from gateway_common.webhooks.ways import EndpointSecrets

CURRENT, OLD, STRANGE = (
    "whsec_" + base64.b64encode(hashlib.sha256(name).digest()).decode() for name in (b"1", b"2", b"3")
)
SECRETS = EndpointSecrets(CURRENT, OLD, NOW + timedelta(hours=1))
EVENT = new_event(
    EventType.PAYMENT_SUCCESS,
    payment_snapshot(example_payment(description="₹ 500 / 😀", metadata={"b": "</>", "a": "2"})),
    merchant_id="mer_test",
    now=NOW,
    traceparent=None,
)
BODY, ID, AT = EVENT.body, EVENT.id, int(NOW.timestamp())
DECODED = base64.b64decode(CURRENT.removeprefix("whsec_"))
CONTENT = f"{ID}.{AT}.".encode() + BODY


def mac(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()


def v1(key: bytes, content: bytes = CONTENT) -> str:
    return "v1," + base64.b64encode(mac(key, content)).decode()


def headers(secret: str = CURRENT, *, body: bytes = BODY, **changes: str | None) -> dict[str, str]:
    """The headers of a webhook made with this secret; a change to None leaves one out."""
    made = {
        "webhook-id": ID,
        "webhook-timestamp": str(AT),
        "webhook-signature": sign_standard(secret, webhook_id=ID, timestamp=AT, body=body),
        "x-webhook-signature": sign_body(secret, body),
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in made.items() if value is not None}


def check(given: dict[str, str], body: bytes = BODY, **changes: Any) -> Diagnosis:
    values: dict[str, Any] = {"original": BODY, "given_secret": None, "now": NOW} | changes
    secrets = values.pop("secrets", SECRETS)
    return diagnose(Received(given, body), secrets, **values)


def codes(found: Diagnosis) -> list[tuple[str | None, str]]:
    return [(finding.scheme, str(finding.code)) for finding in found.findings]


def both(code: str) -> list[tuple[str | None, str]]:
    return [("standard", code), ("plain", code)]


def messages(found: Diagnosis) -> str:
    return " ".join(finding.message for finding in found.findings)


def test_what_was_sent_and_kept_is_valid() -> None:
    found = check(headers())

    assert (found.valid, codes(found)) == (True, both("ok"))


def test_one_signature_of_the_two_is_enough() -> None:
    plain, standard = check(headers(webhook_signature=None)), check(headers(x_webhook_signature=" "))

    assert (plain.valid, codes(plain)) == (True, [("standard", "signature_header_missing"), ("plain", "ok")])
    assert (standard.valid, codes(standard)) == (True, [("standard", "ok"), ("plain", "signature_header_missing")])


def test_one_that_fits_does_not_make_up_for_one_that_does_not() -> None:
    found = check(headers(x_webhook_signature="0" * 64))

    assert (found.valid, codes(found)) == (False, [("standard", "ok"), ("plain", "wrong_secret")])


def test_without_any_signature_nothing_is_valid() -> None:
    found = check({})

    assert (found.valid, codes(found)) == (False, both("signature_header_missing"))


@pytest.mark.parametrize("lacking", ["webhook-id", "webhook-timestamp"])
def test_a_signature_without_what_belongs_to_it_is_not_valid(lacking: str) -> None:
    changes: dict[str, Any] = {lacking.replace("-", "_"): None}
    found = check(headers(**changes))

    assert (found.valid, codes(found)) == (False, [("standard", "signature_header_missing"), ("plain", "ok")])
    assert lacking in found.findings[0].message


def test_of_several_signatures_one_that_fits_is_enough() -> None:
    made = headers(webhook_signature=f"v2,abc {headers(STRANGE)['webhook-signature']} {v1(DECODED)}")

    assert check(made).valid


def test_during_the_overlap_the_old_secret_is_good() -> None:
    found = check(headers(OLD))

    assert (found.valid, codes(found)) == (True, both("ok_with_old_secret"))


@pytest.mark.parametrize("until", [NOW, NOW - timedelta(days=1), None])
def test_after_the_overlap_the_old_secret_is_told_from_a_wrong_one(until: Any) -> None:
    found = check(headers(OLD), secrets=replace(SECRETS, old_until=until))

    assert (found.valid, codes(found)) == (False, both("old_secret"))


def test_a_secret_that_is_none_of_ours() -> None:
    found = check(headers(STRANGE))

    assert (found.valid, codes(found)) == (False, both("wrong_secret"))


def test_without_the_event_it_is_not_known_whether_secret_or_body_is_wrong() -> None:
    found = check(headers(STRANGE), original=None)

    assert codes(found) == both("wrong_secret_or_body")


def test_the_secret_that_the_merchant_gave_explains_a_webhook_of_another_endpoint() -> None:
    found = check(headers(STRANGE), given_secret=STRANGE)

    assert codes(found) == [*both("given_secret"), (None, "secret_is_unknown")]


REPRINTS = {
    "with blanks": (json.dumps(json.loads(BODY), ensure_ascii=False), "blanks after its commas"),
    "over several lines": (json.dumps(json.loads(BODY), ensure_ascii=False, indent=2), "over several lines"),
    "with CRLF": (json.dumps(json.loads(BODY), ensure_ascii=False, indent=2).replace("\n", "\r\n"), "CRLF"),
    "in ASCII": (json.dumps(json.loads(BODY), separators=(",", ":")), r"as \u escapes"),
    "with escaped slashes": (BODY.decode().replace("/", r"\/"), r"as \/"),
    "with escaped angles": (BODY.decode().replace("<", r"\u003c"), r"as \u escapes"),
    "with a line end": (BODY.decode() + "\n", "a line end was added"),
    "with a CRLF at its end": (BODY.decode() + "\r\n", "a line end was added"),
    "with blanks around it": (" " + BODY.decode(), "blanks were added around it"),
    "with a byte order mark": ("\ufeff" + BODY.decode(), "byte order mark"),
}


@pytest.mark.parametrize("original", [BODY, None], ids=["event known", "event unknown"])
@pytest.mark.parametrize(("body", "told"), REPRINTS.values(), ids=REPRINTS)
def test_json_that_was_printed_again_is_told_with_what_differs(body: str, told: str, original: bytes | None) -> None:
    found = check(headers(), body.encode(), original=original)

    assert (found.valid, codes(found)) == (False, both("re_serialised_json"))
    assert told in messages(found)


def test_another_order_of_keys_is_told_where_the_event_is_known() -> None:
    body = json.dumps(json.loads(BODY), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()

    found = check(headers(), body)

    assert codes(found) == both("re_serialised_json")
    assert "another order" in messages(found)
    assert codes(check(headers(), body, original=None)) == both("wrong_secret_or_body")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (BODY.replace(b'"amount":50000', b'"amount":50001'), f"differs at byte {BODY.index(b':50000') + 5} "),
        (BODY[:-20], f"it was cut: it has {len(BODY) - 20} bytes, {len(BODY)} were sent"),
        (BODY + b"x", "something follows after its end"),
        (b"", "it was cut: it has 0 bytes"),
        (BODY.decode("latin-1").encode(), "read as Latin-1"),
    ],
    ids=["another amount", "cut", "longer", "empty", "wrong charset"],
)
def test_a_changed_body_is_told_with_the_place(body: bytes, told: str) -> None:
    found = check(headers(), body)

    assert codes(found) == both("body_changed")
    assert told in messages(found)


@pytest.mark.parametrize("depth", [200, 300, 1000, 1020, 30_000])
def test_deep_nesting_is_judged_like_anything_else(depth: int) -> None:
    for body in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
        assert check(headers(body=body), body, original=None).valid
        assert not check(headers(body=body), body + b"\n", original=None).valid
        assert not check(headers(), body + b"\n").valid


def test_a_wrong_secret_does_not_hide_a_changed_body() -> None:
    found = check(headers(STRANGE), BODY[:-1])

    assert codes(found) == [
        ("standard", "wrong_secret"), ("standard", "body_changed"),
        ("plain", "wrong_secret"), ("plain", "body_changed"),
    ]  # fmt: skip


BARE = CURRENT.removeprefix("whsec_").encode()
STANDARD_MISTAKES = {
    "the secret string as key": (v1(CURRENT.encode()), "raw_key_for_standard"),
    "the text after the prefix as key": (v1(BARE), "key_without_prefix"),
    "a line end after the secret": (v1(CURRENT.encode() + b"\n"), "key_with_line_end"),
    "in hex": ("v1," + mac(DECODED, CONTENT).hex(), "wrong_signature_form"),
    "in bare hex": (mac(DECODED, CONTENT).hex(), "wrong_signature_form"),
    "without its version": (v1(DECODED)[3:], "wrong_signature_form"),
    "without its padding": (v1(DECODED).rstrip("="), "wrong_signature_form"),
    "of the body alone": (v1(DECODED, BODY), "wrong_signed_content"),
}
PLAIN_MISTAKES = {
    "the decoded key": (mac(DECODED, BODY).hex(), "decoded_key_for_plain"),
    "the text after the prefix as key": (mac(BARE, BODY).hex(), "key_without_prefix"),
    "a line end after the secret": (mac(CURRENT.encode() + b"\n", BODY).hex(), "key_with_line_end"),
    "in base64": (base64.b64encode(mac(CURRENT.encode(), BODY)).decode(), "wrong_signature_form"),
    "in capitals": (sign_body(CURRENT, BODY).upper(), "wrong_signature_form"),
    "with GitHub's prefix": ("sha256=" + sign_body(CURRENT, BODY), "wrong_signature_form"),
    "in quotes": (f'"{sign_body(CURRENT, BODY)}"', "wrong_signature_form"),
    "of id, time and body": (mac(CURRENT.encode(), CONTENT).hex(), "wrong_signed_content"),
}


@pytest.mark.parametrize(("signature", "code"), STANDARD_MISTAKES.values(), ids=STANDARD_MISTAKES)
def test_a_mistaken_standard_signature_is_explained(signature: str, code: str) -> None:
    found = check(headers(webhook_signature=signature))

    assert (found.valid, codes(found)) == (False, [("standard", code), ("plain", "ok")])


@pytest.mark.parametrize(("signature", "code"), PLAIN_MISTAKES.values(), ids=PLAIN_MISTAKES)
def test_a_mistaken_plain_signature_is_explained(signature: str, code: str) -> None:
    found = check(headers(x_webhook_signature=signature))

    assert (found.valid, codes(found)) == (False, [("standard", "ok"), ("plain", code)])


def test_two_mistakes_at_once_are_both_told() -> None:
    old = base64.b64decode(OLD.removeprefix("whsec_"))
    reprinted = json.dumps(json.loads(BODY)).encode()
    ended = replace(SECRETS, old_until=NOW)

    found = check({"x-webhook-signature": mac(old, BODY).hex()}, reprinted, secrets=ended)

    assert codes(found)[1:] == [
        ("plain", "old_secret"), ("plain", "decoded_key_for_plain"), ("plain", "re_serialised_json"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-signature", "v2,abc"),
        ("webhook-signature", "nonsense"),
        ("webhook-signature", "v1," + "A" * 44),
        ("webhook-timestamp", "2026-11-23T14:05:06Z"),
        ("webhook-timestamp", "١٦١٤٢٦٥٣٣٠"),
        ("webhook-timestamp", "9" * 400),
        ("x-webhook-signature", "nonsense"),
        ("x-webhook-signature", "0" * 63),
        ("x-webhook-signature", "\ud800é"),
    ],
)
def test_what_is_no_signature_or_no_time_is_told(name: str, value: str) -> None:
    scheme = "plain" if name == "x-webhook-signature" else "standard"

    changes: dict[str, Any] = {name.replace("-", "_"): value}
    found = check(headers(**changes))

    assert not found.valid
    assert (scheme, "signature_header_malformed") in codes(found)
    assert name in messages(found).lower()


@pytest.mark.parametrize(("seconds", "told"), [(301, "301 seconds before"), (-301, "301 seconds after")])
def test_a_clock_that_is_off_is_told_by_how_much(seconds: int, told: str) -> None:
    found = check(headers(), now=NOW + timedelta(seconds=seconds))

    assert (found.valid, codes(found)) == (False, [("standard", "timestamp_outside_tolerance"), ("plain", "ok")])
    assert told in found.findings[0].message
    assert "signature itself fits" in found.findings[0].message


@pytest.mark.parametrize("seconds", [300, -300])
def test_a_clock_that_is_off_by_five_minutes_is_taken(seconds: int) -> None:
    assert check(headers(), now=NOW + timedelta(seconds=seconds)).valid


def test_milliseconds_for_seconds_are_told() -> None:
    found = check(headers(webhook_timestamp=str(AT * 1000)))

    assert codes(found) == [
        ("standard", "id_or_timestamp_changed"), ("standard", "timestamp_outside_tolerance"), ("plain", "ok"),
    ]  # fmt: skip
    assert "milliseconds" in messages(found)


def test_a_changed_id_or_time_is_told() -> None:
    assert codes(check(headers(webhook_id="evt_other")))[0] == ("standard", "id_changed")
    assert codes(check(headers(webhook_timestamp=str(AT + 1))))[0] == ("standard", "id_or_timestamp_changed")


@pytest.mark.parametrize(
    ("given_secret", "expected"),
    [
        (CURRENT, ["secret_is_current"]),
        (OLD, ["secret_is_old"]),
        (STRANGE, ["secret_is_unknown"]),
        (f"{CURRENT}\n", ["secret_has_blanks", "secret_is_current"]),
        (f"'{CURRENT}'", ["secret_has_blanks", "secret_is_current"]),
        (CURRENT.removeprefix("whsec_"), ["secret_without_prefix", "secret_is_current"]),
        (f" {OLD.removeprefix('whsec_')}", ["secret_has_blanks", "secret_without_prefix", "secret_is_old"]),
        ("é\ud800", ["secret_without_prefix", "secret_is_unknown"]),
    ],
    ids=["current", "old", "strange", "line end", "quotes", "no prefix", "blank and no prefix", "odd characters"],
)
def test_the_secret_that_the_merchant_gave_is_compared(given_secret: str, expected: list[str]) -> None:
    found = check(headers(), given_secret=given_secret)

    assert found.valid
    assert codes(found)[2:] == [(None, code) for code in expected]


def test_the_event_is_looked_for_by_header_and_by_body() -> None:
    assert event_ids(Received({"webhook-id": "evt_1"}, BODY)) == ["evt_1", ID]
    assert event_ids(Received({}, BODY)) == [ID]
    assert event_ids(Received({"webhook-id": "evt_'; --"}, b'{"id":7}')) == []


MADE = st.sampled_from([CURRENT, OLD, STRANGE])
ANY_BODY = st.sampled_from([BODY, BODY + b"\n", BODY[:50], b"[]"]) | st.binary(max_size=80)
ANY_VALUE = st.text(max_size=90) | st.binary(min_size=32, max_size=32).map(bytes.hex)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    secret=MADE,
    signed=ANY_BODY,
    body=ANY_BODY,
    changes=st.dictionaries(st.sampled_from(sorted(headers())), ANY_VALUE),
    known=st.booleans(),
    given_secret=st.none() | MADE | st.text(max_size=50),
)
def test_whatever_is_asked_no_signature_no_secret_and_no_body_is_answered(
    *, secret: str, signed: bytes, body: bytes, changes: dict[str, str], known: bool, given_secret: str | None
) -> None:
    found = check(
        headers(secret, body=signed) | changes, body, original=BODY if known else None, given_secret=given_secret
    )

    told = messages(found)
    assert not re.search(r"[0-9a-fA-F]{20}|[A-Za-z0-9+/=]{30}", told), told
    assert not any(part in told for part in (ID, "50000", CURRENT[6:20], OLD[6:20]))
    if found.valid:
        assert (body, secret) in {(signed, CURRENT), (signed, OLD)}


def test_an_empty_secret_proves_nothing() -> None:
    assert not check({"x-webhook-signature": mac(b"", BODY).hex()}, given_secret="").valid
    assert not check({"x-webhook-signature": mac(b"whsec_", BODY).hex()}, given_secret="whsec_").valid
