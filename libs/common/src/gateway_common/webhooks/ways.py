"""The ways in which a signature may have been made, right and wrong: by which secret, which key from it, over what.

All are tried, those with the fewest mistakes first; whichever fits names its mistakes.
"""

import base64
import binascii
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import Final

from gateway_common.clock import format_time
from gateway_common.webhooks.body_changes import explain_change, explain_reprint, is_same_json, likely_originals
from gateway_common.webhooks.findings import Fault, FindingCode, Scheme
from gateway_common.webhooks.signature_forms import Claim
from gateway_common.webhooks.signing import SECRET_PREFIX

_FAULTS_MOST: Final = 3
_AROUND: Final = " \t\r\n\"'"


@dataclass(frozen=True, slots=True)
class EndpointSecrets:
    """An endpoint's secret, and the one before it with the end of its time, if it has been rotated."""

    current: str = field(repr=False)
    old: str | None = field(default=None, repr=False)
    old_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One choice among those that make a way, with the mistakes it would be."""

    value: bytes = field(repr=False)
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the ways are made of, whichever signature is looked at."""

    secrets: EndpointSecrets
    bodies: Sequence[Option]
    given_secret: str | None = field(repr=False)
    now: datetime


def body_options(received: bytes, original: bytes | None) -> list[Option]:
    """The body as it came, and what it may once have been."""
    others = likely_originals(received)
    if original is not None and original != received:
        others = [original, *(body for body in others if body != original)]
    return [Option(received), *(Option(body, (explain_body(received, body),)) for body in others)]


def explain_body(received: bytes, original: bytes) -> Fault:
    if is_same_json(received, original):
        return Fault(
            FindingCode.RE_SERIALISED_JSON,
            f"The body is the same JSON in other bytes: {explain_reprint(received, original)}. Verify the bytes that "
            "arrive, before any JSON parser.",
        )
    return Fault(
        FindingCode.BODY_CHANGED, f"The body is not the one that was sent: {explain_change(received, original)}."
    )


def find_way(
    scheme: Scheme, claims: Sequence[Claim], evidence: Evidence, prefixes: Sequence[tuple[bytes, Fault | None]]
) -> list[Fault]:
    """How one of the signatures was made: `ok`, or the mistakes; WRONG_SECRET_OR_BODY if no way leads to it."""
    keys = list(_keys(scheme, evidence))
    ways = product(keys, _prefix_options(scheme, prefixes), evidence.bodies)
    for way in sorted(ways, key=lambda way: sum(len(option.faults) for option in way)):
        key, prefix, body = way
        faults = [fault for option in way for fault in option.faults]
        if len(faults) > _FAULTS_MOST:
            break
        mac = hmac.digest(key.value, prefix.value + body.value, "sha256")
        for claim in claims:
            if hmac.compare_digest(mac, claim.mac):
                return _told_faults(faults, claim)
    return [
        Fault(
            FindingCode.WRONG_SECRET_OR_BODY,
            "None of this endpoint's secrets makes it of this body, and no event of yours has this id to compare the "
            "body with: the secret is another one, or the body was changed.",
        )
    ]


def judge_secret(given: str | None, secrets: EndpointSecrets) -> Iterator[Fault]:
    """Whether the merchant's secret is the endpoint's, and what clings to it."""
    if given is None:
        return
    bare = given.strip(_AROUND)
    if bare != given:
        yield Fault(FindingCode.SECRET_HAS_BLANKS, "The secret you gave has blanks, line ends or quotes around it.")
    if not bare.startswith(SECRET_PREFIX):
        yield Fault(FindingCode.SECRET_WITHOUT_PREFIX, f"The secret you gave does not begin with {SECRET_PREFIX}.")
    whole = _whole(given)
    if _is_same(whole, secrets.current):
        yield Fault(FindingCode.SECRET_IS_CURRENT, "The secret you gave is this endpoint's current one.")
    elif secrets.old is not None and _is_same(whole, secrets.old):
        yield Fault(FindingCode.SECRET_IS_OLD, f"The secret you gave is this endpoint's old one{_until(secrets)}.")
    else:
        yield Fault(
            FindingCode.SECRET_IS_UNKNOWN,
            "The secret you gave is none of this endpoint's: another endpoint's, or one that has ended.",
        )


def _told_faults(faults: list[Fault], claim: Claim) -> list[Fault]:
    if claim.oddity is not None:
        faults = [*faults, Fault(FindingCode.WRONG_SIGNATURE_FORM, f"{claim.oddity}.")]
    real = [fault for fault in faults if fault.code is not FindingCode.OK_WITH_OLD_SECRET]
    return real or faults or [Fault(FindingCode.OK, "It fits.")]


def _keys(scheme: Scheme, evidence: Evidence) -> Iterator[Option]:
    """Every key that a program may make of each secret."""
    for secret, faults in _secrets(evidence):
        for key, fault in _derivations(scheme, secret):
            yield Option(key, faults if fault is None else (*faults, fault))


def _secrets(evidence: Evidence) -> Iterator[tuple[str, tuple[Fault, ...]]]:
    secrets = evidence.secrets
    yield secrets.current, ()
    if secrets.old is not None:
        yield secrets.old, (_old_secret(secrets, evidence.now),)
    given = evidence.given_secret and _whole(evidence.given_secret)
    if given and not any(_is_same(given, ours) for ours in (secrets.current, secrets.old) if ours is not None):
        message = (
            "It was made with the secret you gave, which is none of this endpoint's: it is another endpoint's webhook, "
            "or somebody signs with a secret that has ended."
        )
        yield given, (Fault(FindingCode.GIVEN_SECRET, message),)


def _old_secret(secrets: EndpointSecrets, now: datetime) -> Fault:
    if secrets.old_until is not None and now < secrets.old_until:
        message = f"It fits, with the endpoint's old secret{_until(secrets)}."
        return Fault(FindingCode.OK_WITH_OLD_SECRET, message)
    return Fault(FindingCode.OLD_SECRET, f"It was made with the endpoint's old secret{_until(secrets)}.")


def _until(secrets: EndpointSecrets) -> str:
    return f", whose time ends or ended at {format_time(secrets.old_until)}" if secrets.old_until else ""


def _derivations(scheme: Scheme, secret: str) -> Iterator[tuple[bytes, Fault | None]]:
    raw = secret.encode("utf-8", "replace")
    bare = raw.removeprefix(SECRET_PREFIX.encode())
    decoded = _decode(bare)
    if scheme is Scheme.PLAIN:
        yield raw, None
        if decoded is not None:
            yield decoded, _DECODED_FOR_PLAIN
        yield raw + b"\n", _WITH_LINE_END
        yield raw + b"\r\n", _WITH_LINE_END
    else:
        if decoded is not None:
            yield decoded, None
        yield raw, _RAW_FOR_STANDARD
        yield raw + b"\n", _WITH_LINE_END
    if bare != raw:
        yield bare, _WITHOUT_PREFIX


def _prefix_options(scheme: Scheme, prefixes: Sequence[tuple[bytes, Fault | None]]) -> Iterator[Option]:
    """What stands before the body in what is signed: nothing, or id and time."""
    if scheme is Scheme.PLAIN:
        yield Option(b"")
    for prefix, fault in prefixes:
        wrong = (_STANDARD_CONTENT_FOR_PLAIN,) if scheme is Scheme.PLAIN else ()
        yield Option(prefix, wrong if fault is None else (*wrong, fault))
    if scheme is Scheme.STANDARD:
        yield Option(b"", (_BODY_ALONE_FOR_STANDARD,))


def _decode(encoded: bytes) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True) or None
    except binascii.Error:
        return None


def _whole(given: str) -> str:
    """A secret as it was shown, out of what became of it in a merchant's configuration."""
    return SECRET_PREFIX + given.strip(_AROUND).removeprefix(SECRET_PREFIX)


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


_DECODED_FOR_PLAIN: Final = Fault(
    FindingCode.DECODED_KEY_FOR_PLAIN,
    "Its key was what the secret encodes; the key of X-Webhook-Signature is the secret string as shown.",
)
_RAW_FOR_STANDARD: Final = Fault(
    FindingCode.RAW_KEY_FOR_STANDARD,
    "Its key was the secret string; the key of webhook-signature is the bytes that it encodes in base64 after whsec_.",
)
_WITHOUT_PREFIX: Final = Fault(
    FindingCode.KEY_WITHOUT_PREFIX,
    "Its key was the text after whsec_; take the whole string for X-Webhook-Signature, and for webhook-signature the "
    "bytes that the text after it encodes.",
)
_WITH_LINE_END: Final = Fault(
    FindingCode.KEY_WITH_LINE_END, "Its key was the secret with a line end after it, as files have it: cut that off."
)
_STANDARD_CONTENT_FOR_PLAIN: Final = Fault(
    FindingCode.WRONG_SIGNED_CONTENT, "It was made of id, time and body; X-Webhook-Signature is that of the body alone."
)
_BODY_ALONE_FOR_STANDARD: Final = Fault(
    FindingCode.WRONG_SIGNED_CONTENT,
    "It was made of the body alone; webhook-signature is that of webhook-id, webhook-timestamp and body, with a full "
    "stop between each.",
)
