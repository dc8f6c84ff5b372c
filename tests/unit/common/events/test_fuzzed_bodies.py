"""A hundred thousand events, with everything that Unicode has, as receivers in Node and Python judge them."""

import base64
import json
import subprocess
import time
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook
from tests.support.examples import NOW
from tests.support.fuzzed_events import fuzzed_events
from tests.support.measuring import Measure
from tests.support.node import needed

from gateway_common.webhooks.signing import new_secret, sign_body, sign_standard
from gateway_sdk.webhooks.payment_gateway_webhooks import verify, verify_plain

EVENTS = 100_000
SCRIPT = Path(__file__).parents[3] / "support" / "judge_events.mjs"
VERIFIER = files("gateway_sdk") / "webhooks" / "payment-gateway-webhooks.mjs"


class Judge:
    """judge_events.mjs at work: bodies go in signed, what Node made of them all comes out at the end."""

    def __init__(self) -> None:
        node = needed("node", "to show that receivers can verify our webhooks")
        self._secret, self._now = new_secret(), int(NOW.timestamp())
        self._process = subprocess.Popen(
            [node, str(SCRIPT), str(VERIFIER), self._secret, str(self._now)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def send(self, webhook_id: str, body: bytes) -> None:
        assert self._process.stdin is not None
        standard = sign_standard(self._secret, webhook_id=webhook_id, timestamp=self._now, body=body)
        head = f"{webhook_id} {self._now} {standard} {sign_body(self._secret, body)} "
        self._process.stdin.write(head.encode() + body + b"\n")

    def verdict(self) -> dict[str, Any]:
        with self._process:
            found: dict[str, Any] = json.loads(self._process.communicate()[0])
        assert self._process.returncode == 0
        return found


def test_node_prints_and_accepts_every_one_of_a_hundred_thousand_events(measure: Measure) -> None:
    judge, started, sent = Judge(), time.monotonic(), 0
    for event in fuzzed_events(EVENTS, seed=5):
        judge.send(event.id, event.body)
        sent += len(event.body)
    judged = judge.verdict()

    measure(f"{EVENTS} events, {sent / 2**20:.0f} MiB, judged in {time.monotonic() - started:.1f} s")
    all_true = dict.fromkeys(("read", "reprinted", "documented", "plain", "standard"), EVENTS)
    assert judged == all_true | {"bytes": sent, "left": 0, "wrong": []}


def test_the_judge_would_see_what_node_prints_otherwise() -> None:
    broken = [
        b'{"b":1,"2":2,"1":3}',
        b'{"a":1.0}',
        b'{"a":9007199254740993}',
        b'{"a": 1}',
        rb'{"a":"\u20b9"}',
        b'{"a":1e-7}',
    ]
    judge = Judge()
    for number, body in enumerate(broken):
        judge.send(f"evt_{number}", body)
    judged = judge.verdict()

    assert judged["wrong"] == [base64.b64encode(body).decode() for body in broken[:3]]
    assert (judged["read"], judged["plain"], judged["standard"]) == (6, 6, 6)
    # Node prints 1e-7 just so.
    assert (judged["reprinted"], judged["documented"]) == (1, 1)


def test_python_accepts_them_too() -> None:
    secret, now = new_secret(), time.time()
    official = Webhook(secret)
    for event in fuzzed_events(2_000, seed=6):
        signature = sign_standard(secret, webhook_id=event.id, timestamp=int(now), body=event.body)
        headers = {"webhook-id": event.id, "webhook-timestamp": str(int(now)), "webhook-signature": signature}

        assert verify(secret, headers, event.body, now=now) == json.loads(event.body)
        assert verify_plain(secret, sign_body(secret, event.body), event.body)["id"] == event.id
        assert official.verify(event.body, headers)["id"] == event.id


def test_the_events_hold_all_that_unicode_has_up_to_the_limits() -> None:
    planes: Counter[int] = Counter()
    sizes: list[int] = []
    for event in fuzzed_events(3_000, seed=7):
        planes.update(ord(character) >> 16 for character in event.body.decode())
        sizes.append(len(event.body))
    text = b"".join(event.body for event in fuzzed_events(3_000, seed=7)).decode()

    assert {0, 1, 14, 16} <= planes.keys()
    assert {"\x7f", "\u2028", "\ufeff", "\uffff", "\ufdd0", "\U0010ffff"} <= set(text)
    assert all(f"\\u00{code:02x}" in text for code in range(1, 32) if chr(code) not in "\b\t\n\f\r")
    assert max(sizes) > 60_000
    assert sorted(sizes)[len(sizes) // 2] < 1_500
