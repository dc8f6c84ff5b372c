"""A webhook that was really sent is what docs/webhooks.md tells merchants of, and their verifiers believe it."""

from pathlib import Path

import pytest
from tests.integration.webhook_dispatcher.conftest import StartDispatcher
from tests.support.deliveries import add_endpoint, add_events
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.webhooks.signing import new_secret
from gateway_sdk.webhooks.payment_gateway_webhooks import WebhookVerificationError, verify, verify_plain

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text().lower()
SENT_BY_ANY_CLIENT = {"accept", "accept-encoding", "connection", "content-length", "host"}


async def test_every_header_is_named_and_the_verifiers_believe_it(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint = await add_endpoint(database, keyring, f"{receiver.url}/hook")
    await add_events(database)
    dispatcher()
    await wait_until(lambda: len(receiver.at("/hook")) == 1)
    [webhook] = receiver.at("/hook")

    assert [name for name in webhook.headers if name not in SENT_BY_ANY_CLIENT and f"{name}`" not in PAGE] == [
        "content-type", "user-agent",
    ]  # fmt: skip
    assert {"content-type:", "user-agent:"} <= set(PAGE.split())
    event = verify(endpoint.secret, webhook.headers, webhook.body)
    assert event["id"] == webhook.headers["webhook-id"]
    assert verify_plain(endpoint.secret, webhook.headers, webhook.body) == event
    for check in (verify, verify_plain):
        with pytest.raises(WebhookVerificationError):
            check(new_secret(), webhook.headers, webhook.body)
