"""The signature check over HTTP: what a merchant is told of a webhook that was really sent, and what nobody is told."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs
from tests.support.api import Api, expect, expect_error
from tests.support.records import number_all_events

from gateway_common.merchants.model import Scope
from gateway_common.webhooks.model import seal_context
from gateway_common.webhooks.signing import new_secret, sign_body, sign_standard

ENDPOINTS = "/api/v1/webhook-endpoints"


class Shop:
    """A merchant with an endpoint, and the event of its first payment as its webhook brought it."""

    def __init__(self, api: Api, endpoint: dict[str, Any], event_id: str, body: bytes) -> None:
        self.client = api.client
        self.secret: str = endpoint["secret"]
        self.path = f"{ENDPOINTS}/{endpoint['id']}/check-signature"
        self.event_id = event_id
        self.body = body

    def headers(self, secret: str | None = None) -> dict[str, str]:
        """As a merchant's framework shows them, among others."""
        secret, at = secret or self.secret, int(datetime.now(UTC).timestamp())
        return {
            "Host": "shop.example",
            "Webhook-Id": self.event_id,
            "Webhook-Timestamp": str(at),
            "Webhook-Signature": sign_standard(secret, webhook_id=self.event_id, timestamp=at, body=self.body),
            "X-Webhook-Signature": sign_body(secret, self.body),
        }

    async def check(self, **values: Any) -> dict[str, Any]:
        asked = {"headers": self.headers()} | values
        if "body_base64" not in asked:
            asked.setdefault("body", self.body.decode())
        found: dict[str, Any] = expect(200, await self.client.post(self.path, json=asked))
        return found


@pytest.fixture
async def shop(api: Api) -> Shop:
    endpoint = expect(201, await api.client.post(ENDPOINTS, json={"url": "https://shop.example/hooks"}))
    await api.create(description="₹ 500 😀")
    await number_all_events(api.database)
    async with api.database.statement() as connection:
        [(event_id, body)] = (await connection.execute(text("SELECT id, body FROM events"))).all()
    return Shop(api, endpoint, event_id, bytes(body))


def codes(found: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(finding["scheme"], finding["code"]) for finding in found["findings"]]


async def test_a_webhook_as_it_was_sent_is_valid(shop: Shop) -> None:
    found = await shop.check()

    assert found == {
        "object": "webhook_signature_check",
        "valid": True,
        "event_id": shop.event_id,
        "findings": [
            {"scheme": "standard", "code": "ok", "message": "It fits."},
            {"scheme": "plain", "code": "ok", "message": "It fits."},
        ],
    }
    assert await shop.check(body_base64=base64.b64encode(shop.body).decode()) == found


async def test_a_body_that_was_parsed_and_printed_is_told_from_one_that_was_changed(shop: Shop) -> None:
    value = json.loads(shop.body)
    reprinted = json.dumps(value, sort_keys=True)
    value["data"]["payment"]["amount"] += 1
    changed = json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    assert codes(await shop.check(body=reprinted)) == [
        ("standard", "re_serialised_json"), ("plain", "re_serialised_json"),
    ]  # fmt: skip
    found = await shop.check(body=changed)
    assert codes(found) == [("standard", "body_changed"), ("plain", "body_changed")]
    assert f"at byte {shop.body.index(b'50000') + 4} " in found["findings"][0]["message"]


async def test_a_body_that_is_no_text_comes_in_base64(shop: Shop) -> None:
    found = await shop.check(body_base64=base64.b64encode(b"\xff" + shop.body).decode())

    assert codes(found) == [("standard", "body_changed"), ("plain", "body_changed")]


async def test_the_secret_that_the_merchant_believes_in_is_judged(shop: Shop) -> None:
    other = new_secret()

    assert codes(await shop.check(secret=f"{shop.secret}\n"))[2:] == [
        (None, "secret_has_blanks"), (None, "secret_is_current"),
    ]  # fmt: skip
    assert codes(await shop.check(secret=other, headers=shop.headers(other))) == [
        ("standard", "given_secret"), ("plain", "given_secret"), (None, "secret_is_unknown"),
    ]  # fmt: skip


async def test_a_rotated_secret_is_good_until_its_time_ends(api: Api, shop: Shop) -> None:
    old, new, ends = shop.secret, new_secret(), datetime.now(UTC) + timedelta(hours=1)
    endpoint_id = shop.path.split("/")[-2]
    sealed = api.keyring.seal(new.encode(), context=seal_context(endpoint_id))
    rotate = (
        "UPDATE webhook_endpoints SET sealed_old_secret = sealed_secret, sealed_secret = :new, old_secret_until = :ends"
    )
    async with api.database.transaction() as connection:
        await connection.execute(text(rotate), {"new": sealed, "ends": ends})
    later = (ends + timedelta(seconds=1)).isoformat()

    assert codes(await shop.check(headers=shop.headers(new), secret=old)) == [
        ("standard", "ok"), ("plain", "ok"), (None, "secret_is_old"),
    ]  # fmt: skip
    found = await shop.check(headers=shop.headers(old))
    assert (found["valid"], codes(found)) == (
        True, [("standard", "ok_with_old_secret"), ("plain", "ok_with_old_secret")],
    )  # fmt: skip
    found = await shop.check(headers=shop.headers(old), received_at=later)
    assert (found["valid"], codes(found)) == (
        False,
        [("standard", "old_secret"), ("standard", "timestamp_outside_tolerance"), ("plain", "old_secret")],
    )


async def test_an_old_webhook_is_judged_by_the_clock_of_its_day(shop: Shop) -> None:
    day_later = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    assert codes(await shop.check(received_at=day_later)) == [
        ("standard", "timestamp_outside_tolerance"), ("plain", "ok"),
    ]  # fmt: skip


async def test_another_merchants_event_is_not_compared_with(api: Api, shop: Shop) -> None:
    keys = await api.add_key("key_test_b", "mer_b", "secret of b")
    async with api.browser(**keys) as stranger:
        endpoint = expect(201, await stranger.post(ENDPOINTS, json={"url": "https://b.example"}))
        path = f"{ENDPOINTS}/{endpoint['id']}/check-signature"
        asked = {"headers": shop.headers(), "body": shop.body.decode() + " "}

        found = expect(200, await stranger.post(path, json=asked))

        assert found["event_id"] is None
        assert codes(found) == [("standard", "wrong_secret_or_body"), ("plain", "wrong_secret_or_body")]
        expect_error(404, "not_found", await stranger.post(shop.path, json=asked))


async def test_reading_is_enough(api: Api, shop: Shop) -> None:
    keys = await api.add_key("key_test_read", "mer_test", "secret", scopes=frozenset({Scope.READ}))

    async with api.browser(**keys) as reader:
        answered = await reader.post(shop.path, json={"headers": shop.headers(), "body": shop.body.decode()})

    assert expect(200, answered)["valid"] is True


async def test_a_repeated_check_is_answered_as_the_first_and_another_secret_is_another_request(shop: Shop) -> None:
    asked = {"headers": {}, "body": "", "secret": shop.secret}
    key = {"Idempotency-Key": "check-0001"}

    first, again, other = [
        await shop.client.post(shop.path, json=asked | change, headers=key)
        for change in ({}, {}, {"secret": "whsec_other"})
    ]

    assert expect(200, again) == expect(200, first)
    assert again.headers["idempotent-replayed"] == "true"
    expect_error(422, "idempotency_key_reuse", other)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"headers": {}}, "Give the webhook's body either as body or as body_base64."),
        ({"headers": {}, "body": "", "body_base64": ""}, "Give the webhook's body either as body or as body_base64."),
        ({"headers": {}, "body_base64": "?"}, "body_base64: must be base64."),
        ({"headers": {}, "body_base64": "abc"}, "body_base64: must be base64."),
        ({"headers": {}, "body": "\ud800"}, "body: must be valid Unicode."),
        ({"headers": {"X": "\ud800"}, "body": ""}, "headers.X: must be valid Unicode."),
        ({"headers": {"\ud800": "x"}, "body": ""}, "headers: "),
        ({"headers": {}, "body": "", "secret": "\ud800"}, "secret: must be valid Unicode."),
        ({"headers": {str(n): "" for n in range(101)}, "body": ""}, "headers: must have at most 100 entries."),
        ({"body": ""}, "headers: is required."),
        ({"headers": {}, "body": "", "secret": ""}, "secret: must have 1 to 200 characters."),
        ({"headers": {}, "body": "", "received_at": 7}, "received_at: must be a time with its zone, such as "),
    ],
)
async def test_what_can_not_be_checked_is_refused_in_words(shop: Shop, asked: dict[str, Any], message: str) -> None:
    refused = await shop.client.post(shop.path, content=json.dumps(asked), headers={"Content-Type": "application/json"})

    assert expect_error(422, "validation_failed", refused).startswith(message)


async def test_neither_answer_nor_log_holds_the_secret_or_a_signature(shop: Shop) -> None:
    mistaken = new_secret()
    asked: list[dict[str, Any]] = [
        {"headers": shop.headers(mistaken), "body": shop.body.decode(), "secret": mistaken},
        {"headers": shop.headers(), "body": "{}", "secret": shop.secret},
        {"headers": shop.headers(), "body": "{}", "secret": [shop.secret]},
        {"headers": shop.headers(), "body": "{}", "secret": shop.secret * 10},
        {"headers": shop.headers(), "body": "{}", shop.secret: ""},
    ]
    with capture_logs() as logs:
        answers = [await shop.client.post(shop.path, json=each) for each in asked]

    private = {shop.secret[6:], mistaken[6:]}
    private |= {value for secret in (shop.secret, mistaken) for value in list(shop.headers(secret).values())[-2:]}
    assert [answer.status_code for answer in answers] == [200, 200, 422, 422, 422]
    told = [answer.text for answer in answers] + [str(logs)]
    assert not [word for word in private for text in told if word in text]


async def test_a_secret_that_can_not_be_opened_any_more_is_told(api: Api, shop: Shop) -> None:
    async with api.database.transaction() as connection:
        await connection.execute(text("UPDATE webhook_endpoints SET sealed_secret = '\\x00'"))

    refused = await shop.client.post(shop.path, json={"headers": {}, "body": ""})

    assert expect_error(409, "conflict", refused) == "The endpoint's secret can't be read any more: rotate it."
