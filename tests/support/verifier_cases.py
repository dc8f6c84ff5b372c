"""Webhooks for the merchants' verifiers, which must judge them alike in every language."""

import base64
from dataclasses import dataclass, field, replace
from typing import Any, Final

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER: Final = "whsec_" + base64.b64encode(bytes(32)).decode()
AT: Final = 1614265330
SPACED: Final = b'{"test": 2432232314}'
COMPACT: Final = b'{"test":2432232314}'
# Published with the Standard Webhooks libraries; the others are derived from the same secret, id and time.
SPACED_V1: Final = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
COMPACT_V1: Final = "v1,Vif40peJBP7Iyl0XGmu61n4MwdrcHov5CFREBpE0svs="
COMPACT_PLAIN: Final = "78dd34208881d421fa3a5c6234cab4568e4b390c903fc1a2668d1e71c68fb9c9"
COMPACT_DECODED_KEY: Final = "ed5227e0c562fcec3ce74825328f04760eebe119e9bfe82c6c5f936b65b228bb"
CONVOY_SECRET: Final = "convoy-webhook-secret"
CONVOY_BODY: Final = b'{"event":"charge.success","amount":1000,"currency":"NGN"}'
CONVOY_PLAIN: Final = "244449b7f48cbc2709060c9dcdc2b3aa47a78f540430579015c579fb12defbb4"

NO_SECRET: Final = "give the endpoint's secret, or a list of several"
ODD_SECRET: Final = "the secret must be given as it was shown: whsec_ and base64, nothing around it"
UNFIT: Final = "no signature fits: the secret is another one, or the body is not what was sent, to the byte"
UNFIT_PLAIN: Final = (
    "the signature does not fit: the secret is another one, or the body is not what was sent, to the byte"
)
WRONG_TIME: Final = ": it may be an old one sent again, or this clock is wrong"


@dataclass(frozen=True)
class Case:
    name: str
    secrets: Any = SECRET
    headers: Any = field(default_factory=dict)
    body: bytes = COMPACT
    function: str = "verify"
    now: float = AT
    refused: str | None = None
    """Why it is not trusted."""
    misused: str | None = None
    """Why the call itself is wrong: no webhook is to blame for it."""


def standard(signature: str = COMPACT_V1, **changes: str) -> dict[str, str]:
    headers = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": str(AT)}
    return (
        headers | {"webhook-signature": signature} | {name.replace("_", "-"): value for name, value in changes.items()}
    )


def _capital(headers: dict[str, str]) -> dict[str, str]:
    return {name.upper(): value for name, value in headers.items()}


STANDARD: Final = [
    Case("the published vector", headers=standard(SPACED_V1), body=SPACED),
    Case("the compact vector", headers=standard()),
    Case("header names in capitals", headers=_capital(standard())),
    Case("several secrets", secrets=[OTHER, SECRET], headers=standard()),
    Case("a secret without its prefix", secrets=SECRET.removeprefix("whsec_"), headers=standard()),
    Case("several signatures", headers=standard(f"v1a,x {SPACED_V1} {COMPACT_V1}")),
    Case("five minutes late", headers=standard(), now=AT + 300),
    Case("five minutes early", headers=standard(), now=AT - 300),
    Case("too late", headers=standard(), now=AT + 301, refused=f"it was sent 301 seconds ago{WRONG_TIME}"),
    Case("too early", headers=standard(), now=AT - 301, refused=f"it was sent 301 seconds in the future{WRONG_TIME}"),
    Case("another secret", secrets=OTHER, headers=standard(), refused=UNFIT),
    Case("another body", headers=standard(), body=SPACED, refused=UNFIT),
    Case("an empty body", headers=standard(), body=b"", refused=UNFIT),
    Case("another id", headers=standard(webhook_id="msg_2"), refused=UNFIT),
    Case("another time", headers=standard(webhook_timestamp=str(AT + 1)), refused=UNFIT),
    Case("of another version", headers=standard(COMPACT_V1.replace("v1,", "v2,")),
         refused="webhook-signature holds no signature of version v1"),
    Case("cut short", headers=standard(COMPACT_V1[:-2]), refused=UNFIT),
    Case("of other characters", headers=standard("v1,₹😀"), refused=UNFIT),
    Case("no headers", refused="the header webhook-id is missing"),
    Case("a blank signature", headers=standard(" "), refused="the header webhook-signature is missing"),
    Case("no seconds", headers=standard(webhook_timestamp="1e9"), refused="webhook-timestamp is not in whole seconds"),
    Case("milliseconds", headers=standard(webhook_timestamp=f"{AT}000"),
         refused="webhook-timestamp is not in whole seconds"),
    Case("other digits", headers=standard(webhook_timestamp="١٦١٤٢٦٥٣٣٠"),
         refused="webhook-timestamp is not in whole seconds"),
    Case("no secret", secrets=None, headers=standard(), misused=NO_SECRET),
    Case("an empty secret", secrets="", headers=standard(), misused=NO_SECRET),
    Case("an empty secret among others", secrets=[SECRET, ""], headers=standard(), misused=NO_SECRET),
    Case("an empty list of secrets", secrets=[], headers=standard(), misused=NO_SECRET),
    Case("nothing but the prefix", secrets="whsec_", headers=standard(), misused=ODD_SECRET),
    Case("a line end after the secret", secrets=f"{SECRET}\n", headers=standard(), misused=ODD_SECRET),
]  # fmt: skip
_PLAIN: Final = [
    Case("the compact vector", headers={"X-Webhook-Signature": COMPACT_PLAIN}),
    Case("Convoy's vector", CONVOY_SECRET, {"x-webhook-signature": CONVOY_PLAIN}, CONVOY_BODY),
    Case("the signature alone", headers=COMPACT_PLAIN),
    Case("several secrets", secrets=[OTHER, SECRET], headers=COMPACT_PLAIN),
    Case("the decoded key", headers=COMPACT_DECODED_KEY, refused=UNFIT_PLAIN),
    Case("another body", headers=COMPACT_PLAIN, body=SPACED, refused=UNFIT_PLAIN),
    Case("another secret", secrets=OTHER, headers=COMPACT_PLAIN, refused=UNFIT_PLAIN),
    Case("in capitals", headers=COMPACT_PLAIN.upper(), refused=UNFIT_PLAIN),
    Case("an empty signature", headers="", refused=UNFIT_PLAIN),
    Case("no header", refused="the header x-webhook-signature is missing"),
    Case("an empty secret", secrets="", headers=COMPACT_PLAIN, misused=NO_SECRET),
    Case("no secret", secrets=None, headers=COMPACT_PLAIN, misused=NO_SECRET),
]
PLAIN: Final = [replace(case, name=f"plain: {case.name}", function="verify_plain") for case in _PLAIN]
CASES: Final = [*STANDARD, *PLAIN]
