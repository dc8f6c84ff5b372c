"""Two signatures from one secret string, held against vectors that others published or computed."""

import base64
import re
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from gateway_common.webhooks.signing import new_secret, sign_body, sign_standard

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
COMPACT = b'{"test":2432232314}'


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        # The vector of the Standard Webhooks libraries for JavaScript, Go and Python.
        (b'{"test": 2432232314}', "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        (COMPACT, "v1,Vif40peJBP7Iyl0XGmu61n4MwdrcHov5CFREBpE0svs="),
    ],
)
def test_the_standard_signature_is_that_of_the_published_vectors(body: bytes, signature: str) -> None:
    assert sign_standard(SECRET, webhook_id=WEBHOOK_ID, timestamp=TIMESTAMP, body=body) == signature


def test_the_plain_signature_takes_the_secret_string_as_it_is_shown() -> None:
    # Equal to Node's createHmac('sha256', secret).update(JSON.stringify(object)).digest('hex').
    assert sign_body(SECRET, COMPACT) == "78dd34208881d421fa3a5c6234cab4568e4b390c903fc1a2668d1e71c68fb9c9"


def test_the_plain_signature_is_not_made_with_the_decoded_secret() -> None:
    assert sign_body(SECRET, COMPACT) != "ed5227e0c562fcec3ce74825328f04760eebe119e9bfe82c6c5f936b65b228bb"


def test_the_plain_signature_is_that_of_an_independent_sender() -> None:
    # From the test data of Convoy's "simple" signature.
    body = b'{"event":"charge.success","amount":1000,"currency":"NGN"}'

    signature = sign_body("convoy-webhook-secret", body)

    assert signature == "244449b7f48cbc2709060c9dcdc2b3aa47a78f540430579015c579fb12defbb4"


def test_a_new_secret_is_32_random_bytes_behind_its_prefix() -> None:
    made = {new_secret() for _ in range(100)}

    assert len(made) == 100
    assert all(re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret) for secret in made)
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in made)


def test_the_public_library_signs_as_we_do() -> None:
    secret = new_secret()

    ours = sign_standard(secret, webhook_id="evt_1", timestamp=TIMESTAMP, body=COMPACT)

    moment = datetime.fromtimestamp(TIMESTAMP, UTC)
    assert Webhook(secret).sign("evt_1", moment, COMPACT.decode()) == ours


@pytest.mark.parametrize(
    "change",
    [{"webhook_id": "evt_2"}, {"timestamp": TIMESTAMP + 1}, {"body": COMPACT + b" "}, {"secret": new_secret()}],
)
def test_whatever_is_changed_the_signature_is_another(change: dict[str, object]) -> None:
    signed: dict[str, object] = {"webhook_id": "evt_1", "timestamp": TIMESTAMP, "body": COMPACT}
    secret = str(change.get("secret", SECRET))
    others = {name: value for name, value in change.items() if name != "secret"}

    assert sign_standard(secret, **signed | others) != sign_standard(SECRET, **signed)  # type: ignore[arg-type]
