"""Why a webhook's signatures fit or do not: what the headers, the body and the endpoint's secrets say together.

It says what is wrong and never what would be right: no signature, no secret and no body stands in what it answers, so
it signs nothing for anybody. How a signature may have been made is in ways.py.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson

from gateway_common.clock import format_time
from gateway_common.webhooks.findings import Fault, FindingCode, Scheme
from gateway_common.webhooks.signature_forms import Claim, read_plain, read_standard
from gateway_common.webhooks.ways import (
    EndpointSecrets,
    Evidence,
    body_options,
    explain_body,
    find_way,
    judge_secret,
)

TOLERANCE_SECONDS: Final = 300
PLAIN_HEADER: Final = "x-webhook-signature"
STANDARD_HEADERS: Final = ("webhook-signature", "webhook-id", "webhook-timestamp")
_MILLISECONDS_FROM: Final = 10**11
_VERIFIED: Final = frozenset({FindingCode.OK, FindingCode.OK_WITH_OLD_SECRET})
_ID: Final = re.compile("evt_[0-9a-z]{1,60}")
_TIMESTAMP: Final = re.compile("[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Received:
    """A webhook as a merchant got it; header names in small letters."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """Of one signature, or of none in particular: a stable code, and a sentence for whoever looks for the mistake."""

    scheme: Scheme | None
    code: FindingCode
    message: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`valid` if one signature or both are there, and each that is there would be accepted."""

    valid: bool
    findings: list[Finding]


def event_ids(received: Received) -> list[str]:
    """The events this may be: by its header, and by its body."""
    named = [received.headers.get("webhook-id", "").strip(), _id_in_body(received.body)]
    return [name for name in dict.fromkeys(named) if _ID.fullmatch(name)]


def diagnose(
    received: Received,
    secrets: EndpointSecrets,
    *,
    original: bytes | None,
    given_secret: str | None,
    now: datetime,
) -> Diagnosis:
    """What is right and what is wrong about a webhook that was received `now`.

    `original` is the body of the merchant's own event by that id, None if there is none. `given_secret` is the one that
    the merchant verifies with.
    """
    evidence = Evidence(secrets, body_options(received.body, original), given_secret, now)
    faults = {
        Scheme.STANDARD: _judge_standard(received, evidence),
        Scheme.PLAIN: _judge_plain(received.headers, evidence),
    }
    verified = {scheme for scheme, found in faults.items() if _is_verified(found)}
    absent = {scheme for scheme, found in faults.items() if found == [_absent(scheme)]}
    findings = [
        Finding(scheme, fault.code, fault.message)
        for scheme, found in faults.items()
        for unexplained in found
        for fault in _narrow(unexplained, scheme, verified, received.body, original)
    ]
    findings += [Finding(None, fault.code, fault.message) for fault in judge_secret(given_secret, secrets)]
    return Diagnosis(bool(verified) and faults.keys() == verified | absent, findings)


def _judge_plain(headers: Mapping[str, str], evidence: Evidence) -> list[Fault]:
    value = headers.get(PLAIN_HEADER, "")
    if not value.strip():
        return [_absent(Scheme.PLAIN)]
    claims = read_plain(value)
    if not claims:
        return [_malformed("X-Webhook-Signature", "64 small hexadecimal digits")]
    signed_too = _standard_prefixes(headers.get("webhook-id", ""), headers.get("webhook-timestamp", ""), "")
    return find_way(Scheme.PLAIN, claims, evidence, signed_too)


def _judge_standard(received: Received, evidence: Evidence) -> list[Fault]:
    values = {name: received.headers.get(name, "").strip() for name in STANDARD_HEADERS}
    if not values["webhook-signature"]:
        return [_absent(Scheme.STANDARD)]
    lacking = [name for name, value in values.items() if not value]
    if lacking:
        names = " and ".join(lacking)
        return [Fault(FindingCode.SIGNATURE_HEADER_MISSING, f"Without {names} webhook-signature can't be verified.")]
    claims = read_standard(values["webhook-signature"])
    if not claims:
        return [_malformed("webhook-signature", "`v1,` and base64, several separated by spaces")]
    if not _TIMESTAMP.fullmatch(values["webhook-timestamp"]):
        return [_malformed("webhook-timestamp", "seconds since 1970, in digits")]
    return _judge_claims(claims, values, received.body, evidence)


def _judge_claims(claims: list[Claim], values: Mapping[str, str], body: bytes, evidence: Evidence) -> list[Fault]:
    prefixes = _standard_prefixes(values["webhook-id"], values["webhook-timestamp"], _id_in_body(body))
    found = find_way(Scheme.STANDARD, claims, evidence, prefixes)
    late = list(_judge_clock(int(values["webhook-timestamp"]), evidence.now))
    if late and _is_verified(found):
        return [Fault(late[0].code, f"The signature itself fits. {late[0].message}")]
    return found + late


def _judge_clock(timestamp: int, now: datetime) -> Iterator[Fault]:
    age = int(now.timestamp()) - timestamp
    if abs(age) <= TOLERANCE_SECONDS:
        return
    message = (
        f"webhook-timestamp is {abs(age)} seconds {'before' if age > 0 else 'after'} {format_time(now)}, and verifiers "
        f"allow {TOLERANCE_SECONDS}: this is an old webhook sent again, or the receiver's clock is wrong."
    )
    if timestamp >= _MILLISECONDS_FROM:
        message = "webhook-timestamp seems to be in milliseconds; it is sent, and signed, in seconds."
    yield Fault(FindingCode.TIMESTAMP_OUTSIDE_TOLERANCE, message)


def _narrow(
    fault: Fault, scheme: Scheme, verified: set[Scheme], body: bytes, original: bytes | None
) -> Iterator[Fault]:
    """A fault as it is told: what no way explains is narrowed down by what else is known."""
    if fault.code is not FindingCode.WRONG_SECRET_OR_BODY:
        yield fault
    elif verified:
        yield _SECRET_FOR_PLAIN if scheme is Scheme.PLAIN else _ID_OR_TIMESTAMP
    elif original is None:
        yield fault
    else:
        yield _WRONG_SECRET
        if body != original:
            yield explain_body(body, original)


def _standard_prefixes(header_id: str, timestamp: str, body_id: str) -> list[tuple[bytes, Fault | None]]:
    """What may have been signed before the body under Standard Webhooks."""
    changed = Fault(
        FindingCode.ID_CHANGED,
        "webhook-id is not the one that was signed: it fits with the id that stands in the body.",
    )
    named = [(header_id.strip(), None), (body_id, changed)]
    ids = {name: fault for name, fault in reversed(named) if name}
    return [(f"{name}.{timestamp.strip()}.".encode("utf-8", "replace"), fault) for name, fault in ids.items()]


def _id_in_body(body: bytes) -> str:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    name = value.get("id") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


def _is_verified(faults: list[Fault]) -> bool:
    return all(fault.code in _VERIFIED for fault in faults)


def _absent(scheme: Scheme) -> Fault:
    name = "X-Webhook-Signature" if scheme is Scheme.PLAIN else "webhook-signature"
    return Fault(FindingCode.SIGNATURE_HEADER_MISSING, f"{name} is not among the headers, or is empty.")


def _malformed(name: str, wanted: str) -> Fault:
    return Fault(FindingCode.SIGNATURE_HEADER_MALFORMED, f"{name} is not what is sent there: {wanted}.")


_WRONG_SECRET: Final = Fault(
    FindingCode.WRONG_SECRET,
    "Of the event as it was sent none of this endpoint's secrets makes it: it was made for another endpoint, with a "
    "secret that has ended, or by somebody else.",
)
_SECRET_FOR_PLAIN: Final = Fault(
    FindingCode.WRONG_SECRET,
    "The body is right, for webhook-signature fits: X-Webhook-Signature was made with a secret that is none of this "
    "endpoint's, or it is another webhook's.",
)
_ID_OR_TIMESTAMP: Final = Fault(
    FindingCode.ID_OR_TIMESTAMP_CHANGED,
    "Body and secret are right, for X-Webhook-Signature fits: webhook-id or webhook-timestamp is not the one that was "
    "signed, or webhook-signature is another webhook's.",
)
