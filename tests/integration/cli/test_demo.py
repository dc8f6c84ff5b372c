"""`gateway demo`: the story comes to its good end, or says what did not happen; its eye for signatures is sharp."""

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook
from tests.integration.cli.conftest import Command

from gateway_cli.demo.signatures import verify_body_signature, verify_standard_webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"id":"evt_1","note":"₹"}'


def test_the_story_ends_well(gateway: Callable[..., Command]) -> None:
    command = gateway("demo", "--fast")
    assert command.process.wait(120) == 0, command.output + command.errors
    steps = list(dict.fromkeys(line.split()[2] for line in command.output.splitlines()))
    assert steps == ["stack", "endpoint", "payment", "webhook", "capture", "refund", "done"]
    for event in ("payment.success", "payment.captured", "refund.processed"):
        assert f"{event} evt_" in command.output


def test_a_story_that_can_not_go_on_says_why(gateway: Callable[..., Command]) -> None:
    command = gateway("demo", "--fast", SIMULATOR_SUCCESS_RATE="0")
    assert command.process.wait(120) == 1
    assert " is failed, not success: " in command.errors.splitlines()[-1]


def test_an_interrupted_story_leaves_nothing_running(gateway: Callable[..., Command]) -> None:
    command = gateway("demo")
    command.wait_for("starting PostgreSQL")
    time.sleep(1)
    assert command.stop(signal.SIGINT) == 1
    assert command.errors == "gateway: The demo was interrupted.\n"


def test_a_standard_webhook_holds_only_for_its_secret_body_and_time() -> None:
    now = time.time()
    signature = Webhook(SECRET).sign("evt_1", datetime.fromtimestamp(int(now), UTC), BODY)
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(now)), "webhook-signature": f"v1,x {signature}"}
    assert verify_standard_webhook(SECRET, headers, BODY.encode(), now=now)
    assert not verify_standard_webhook(SECRET, headers, b"{}", now=now)
    assert not verify_standard_webhook(SECRET, headers, BODY.encode(), now=now + 301)
    assert not verify_standard_webhook("whsec_AAAA", headers, BODY.encode(), now=now)
    assert not verify_standard_webhook(SECRET, {}, BODY.encode(), now=now)


@pytest.mark.parametrize(("secret", "holds"), [("key", True), ("other", False)])
def test_a_body_signature_is_a_hex_hmac_of_the_body(secret: str, *, holds: bool) -> None:
    known = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    body = b"The quick brown fox jumps over the lazy dog"
    assert verify_body_signature(secret, {"x-webhook-signature": known}, body) is holds
