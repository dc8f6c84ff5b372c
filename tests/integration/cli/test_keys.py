"""`gateway merchants`, `keys` and `reseal` as an operator meets them: real processes on a real database."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import text
from tests.integration.cli.conftest import Run, fail, read, succeed
from tests.support.api import Api, expect, running_api
from tests.support.records import read_rows, store_payments, write_rows

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.merchants.seed import TEST_KEY, TEST_SECRET

NEWER_KEY: Final = base64.b64encode(bytes(range(1, 33))).decode()
API_KEYS: Final = "/api/v1/api-keys"
ENDPOINTS: Final = "/api/v1/webhook-endpoints"
IDEMPOTENT: Final = {"Idempotency-Key": "0b7f6a53-2b6e-4f4c-9d6f"}
NOBODY: Final = "postgresql://nobody@127.0.0.1:1/nothing"


def headers_of(key: dict[str, Any]) -> dict[str, str]:
    return {"X-Api-Key": key["id"], "X-Api-Secret": key["secret"]}


async def test_a_merchant_and_its_live_key_made_here_open_the_api(
    run: Run, database_url: str, redis_url: str, master_key: str
) -> None:
    merchant = read(run("merchants", "create", "--name", "Kaapi & Söhne", "--fee-basis-points", "250", "--json"))
    key = read(run("keys", "create", "--merchant", merchant["id"], "--live", "--scopes", "read, webhooks", "--json"))

    assert merchant["id"].startswith("mer_")
    assert (merchant["name"], merchant["fee_basis_points"]) == ("Kaapi & Söhne", 250)
    assert key["id"].startswith("key_live_")
    assert (key["livemode"], key["scopes"], key["expires_at"]) == (True, ["read", "webhooks"], None)
    async with running_api(database_url, redis_url, master_key) as api:
        (shown,) = expect(200, await api.client.get(API_KEYS, headers=headers_of(key)))["data"]
        assert shown["id"] == key["id"]


def test_a_key_is_for_tests_and_may_all_unless_told_otherwise(run: Run) -> None:
    key = read(run("keys", "create", "--merchant", "mer_test", "--name", "CI", "--expires-in-days", "30", "--json"))

    assert key["id"].startswith("key_test_")
    assert (key["livemode"], key["name"], len(key["scopes"])) == (False, "CI", 4)
    assert datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC) > timedelta(days=29)


def test_a_person_reads_the_secret_once_and_is_told_so(run: Run) -> None:
    made = succeed(run("keys", "create", "--merchant", "mer_test", "--name", "Shop"))

    (secret,) = re.findall(r"secret_test_[0-9a-f]{48}", made)
    assert made.startswith("Made a test key of mer_test (Test Merchant).\n")
    assert "The secret is shown only now" in made
    listed = succeed(run("keys", "list", "--merchant", "mer_test"))
    assert secret not in listed
    assert [line.split()[:2] for line in listed.splitlines()] == [["key", "name"], [TEST_KEY, "Test"]] + [
        [key_id, "Shop"] for key_id in re.findall(r"key_test_[0-9a-f]{30}", made)
    ]


def test_merchants_are_listed_all_of_them(run: Run) -> None:
    merchant = read(run("merchants", "create", "--name", "Second", "--json"))

    assert {row["id"] for row in read(run("merchants", "list", "--json"))} == {"mer_test", merchant["id"]}
    table = succeed(run("merchants", "list"))
    assert re.search(rf"^{merchant['id']} +Second +0 bp +keep +\S+Z$", table, re.MULTILINE)


async def test_a_merchant_says_what_it_wants_of_late_successes(run: Run, database: Database) -> None:
    assert read(run("merchants", "list", "--json"))[0]["late_success"] == "keep"

    changed = read(run("merchants", "update", "mer_test", "--late-success", "refund", "--json"))

    assert (changed["id"], changed["late_success"]) == ("mer_test", "refund")
    assert await read_rows(database, "SELECT late_success FROM merchants") == [{"late_success": "refund"}]
    told = succeed(run("merchants", "update", "mer_test", "--late-success", "keep"))
    assert told == "Payments of mer_test (Test Merchant) that succeed late: it keeps them.\n"
    unknown = run("merchants", "update", "mer_x", "--late-success", "keep")
    assert fail(1, unknown) == "There is no such merchant."
    wrong = run("merchants", "update", "mer_test", "--late-success", "burn")
    assert fail(2, wrong) == "--late-success must be keep or refund, not 'burn'."


def test_a_rotated_key_is_replaced_and_ends_after_the_overlap(run: Run) -> None:
    old = read(run("keys", "create", "--merchant", "mer_test", "--name", "Shop", "--json"))

    new = read(run("keys", "rotate", old["id"], "--overlap-hours", "2", "--json"))

    listed = {key["id"]: key for key in read(run("keys", "list", "--merchant", "mer_test", "--json"))}
    assert listed[old["id"]]["replaced_by"] == new["id"]
    remaining = datetime.fromisoformat(listed[old["id"]]["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=1.9) < remaining <= timedelta(hours=2)
    assert (new["name"], new["scopes"]) == (old["name"], old["scopes"])
    assert fail(1, run("keys", "rotate", old["id"])) == (f"This API key was rotated before: {new['id']} replaces it.")
    told = succeed(run("keys", "rotate", new["id"]))
    assert re.match(rf"{new['id']} expires [0-9-]+T[0-9:.]+Z; this key replaces it\.\n", told)


def test_revoking_may_be_repeated(run: Run) -> None:
    first = succeed(run("keys", "revoke", TEST_KEY))

    assert first == succeed(run("keys", "revoke", TEST_KEY))
    assert first.startswith(f"{TEST_KEY} is revoked since ")
    assert "revoked" in succeed(run("keys", "list", "--merchant", "mer_test"))


def test_what_is_wrong_is_told_in_one_sentence(run: Run) -> None:
    create = ("keys", "create", "--merchant", "mer_test")

    assert fail(1, run("keys", "create", "--merchant", "mer_x")) == "There is no such merchant."
    assert fail(1, run("keys", "list", "--merchant", "mer_x")) == "There is no such merchant."
    assert fail(1, run("keys", "revoke", "key_test_x")) == "There is no such API key."
    assert fail(2, run(*create, "--scopes", "read,admin")) == (
        "--scopes: 'admin' is none. There are read, write, refunds, webhooks."
    )
    assert fail(2, run(*create, "--name", "a\nb")) == "--name must have 1 to 100 printable characters."
    assert fail(2, run(*create, GATEWAY_MASTER_KEY="short")) == "GATEWAY_MASTER_KEY is not base64."
    assert fail(2, run(*create, GATEWAY_MASTER_KEY="")) == "Set GATEWAY_MASTER_KEY first."
    assert fail(2, run("reseal", DATABASE_URL="")) == "Set DATABASE_URL first."
    assert fail(1, run(*create, DATABASE_URL=NOBODY)).startswith("The database of DATABASE_URL can't be used: ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("merchants", "create", "--name", "Shop", "--fee-basis-points", "10001"),
            "--fee-basis-points must be a whole number from 0 to 10000, not '10001'.",
        ),
        (
            ("keys", "rotate", TEST_KEY, "--overlap-hours", "800"),
            "--overlap-hours must be a whole number from 0 to 720, not '800'.",
        ),
        (
            ("keys", "create", "--merchant", "mer_test", "--expires-in-days", "0"),
            "--expires-in-days must be a whole number from 1 to 3650, not '0'.",
        ),
        (
            ("keys", "rotate", TEST_KEY, "--overlap-hours", "-1"),
            "--overlap-hours must be a whole number from 0 to 720, not '-1'.",
        ),
        (
            ("merchants", "create", "--name", "Shop", "--fee-basis-points", "2.5"),
            "--fee-basis-points must be a whole number from 0 to 10000, not '2.5'.",
        ),
    ],
)
def test_a_number_out_of_range_is_told_in_one_sentence(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    assert fail(2, run(*arguments)) == sentence


def test_a_database_that_was_never_migrated_is_told_in_one_sentence(run: Run, database_url: str) -> None:
    empty = f"{database_url.rpartition('/')[0]}/postgres"

    assert fail(1, run("merchants", "list", DATABASE_URL=empty)) == (
        "The database of DATABASE_URL can't be used: not migrated: run `gateway migrate`."
    )


SEALED = {
    "webhook_endpoints": 1,
    "webhook_endpoints.sealed_old_secret": 1,
    "webhook_endpoints.sealed_headers": 1,
    "payment_cards": 1,
    "idempotency_keys": 2,
}


async def seal_some(api: Api, keyring: Keyring) -> dict[str, Any]:
    """An endpoint with an old secret and headers, an API key made under an Idempotency-Key, and a card.

    All of it under the API's master key.
    """
    endpoint = expect(201, await api.client.post(ENDPOINTS, json={"url": "https://shop.example"}, headers=IDEMPOTENT))
    await write_rows(
        api.database,
        """
        UPDATE webhook_endpoints SET sealed_old_secret = :old, old_secret_until = now() + interval '1 day',
            sealed_headers = :headers, header_names = '{Authorization}'
        """,
        old=keyring.seal(b"whsec_old", context=f"webhook_endpoints.sealed_secret:{endpoint['id']}"),
        headers=keyring.seal(b"{}", context=f"webhook_endpoints.sealed_headers:{endpoint['id']}"),
    )
    key = expect(201, await api.client.post(API_KEYS, json={"scopes": ["read"]}, headers=IDEMPOTENT))
    (payment,) = await store_payments(api.database)
    sealed = keyring.seal(b"a card", context=f"payment_cards.sealed:{payment.id}")
    async with api.database.statement() as connection:
        await connection.execute(
            text("INSERT INTO payment_cards VALUES (:id, :key_id, :sealed, now())"),
            {"id": payment.id, "key_id": keyring.current_key_id, "sealed": sealed},
        )
    return {"endpoint": endpoint, "key": key, "card": payment.id}


async def test_after_resealing_and_renewing_the_old_master_key_is_needed_no_more(
    run: Run, database_url: str, redis_url: str, master_key: str, keyring: Keyring
) -> None:
    async with running_api(database_url, redis_url, master_key) as api:
        made = await seal_some(api, keyring)
    both = f"{NEWER_KEY},{master_key}"

    first = read(run("reseal", "--json", GATEWAY_MASTER_KEY=both))
    again = read(run("reseal", "--json", GATEWAY_MASTER_KEY=both))

    assert first["resealed"] == SEALED
    assert again["resealed"] == dict.fromkeys(SEALED, 0)
    for report in (first, again):
        assert report["api_keys_under_old_key"] == 2
        assert report["idempotency_keys_under_old_key"] == 2
        assert report["old_keys_may_be_dropped"] is False
    async with running_api(database_url, redis_url, both) as api:
        expect(200, await api.client.get(API_KEYS))
        expect(200, await api.client.get(API_KEYS, headers=headers_of(made["key"])))
        replayed = await api.client.post(API_KEYS, json={"scopes": ["read"]}, headers=IDEMPOTENT)
        assert expect(201, replayed) == made["key"]
        await api.uses.flush()
        await write_rows(api.database, "DELETE FROM idempotency_keys")
    assert "The older master keys may be dropped." in succeed(run("reseal", GATEWAY_MASTER_KEY=both))

    async with running_api(database_url, redis_url, NEWER_KEY) as api:
        expect(200, await api.client.get(API_KEYS))
        expect(200, await api.client.get(API_KEYS, headers=headers_of(made["key"])))
        await expect_open(api.database, Keyring(NEWER_KEY), made)


async def expect_open(database: Database, keyring: Keyring, made: dict[str, Any]) -> None:
    """This keyring opens the endpoint's secret and the card."""
    endpoint = made["endpoint"]
    [row] = await read_rows(database, "SELECT * FROM webhook_endpoints")
    context = f"webhook_endpoints.sealed_secret:{endpoint['id']}"
    assert keyring.unseal(row["sealed_secret"], context=context).decode() == endpoint["secret"]
    assert keyring.unseal(row["sealed_old_secret"], context=context) == b"whsec_old"
    assert keyring.unseal(row["sealed_headers"], context=context.replace("secret:", "headers:")) == b"{}"
    [row] = await read_rows(database, "SELECT key_id, sealed FROM payment_cards")
    assert row["key_id"] == keyring.current_key_id
    assert keyring.unseal(row["sealed"], context=f"payment_cards.sealed:{made['card']}") == b"a card"


async def test_resealing_names_what_no_key_opens_and_goes_on(
    run: Run, database_url: str, redis_url: str, master_key: str, keyring: Keyring
) -> None:
    async with running_api(database_url, redis_url, master_key) as api:
        await seal_some(api, keyring)
        expect(201, await api.client.post(ENDPOINTS, json={"url": "https://other.example"}))
        await write_rows(
            api.database,
            "UPDATE webhook_endpoints SET sealed_secret = '\\x00' || sealed_secret WHERE url LIKE '%other%'",
        )

    done = run("reseal", GATEWAY_MASTER_KEY=f"{NEWER_KEY},{master_key}")

    assert done.returncode == 1
    assert done.stderr == (
        "gateway: Some values can't be opened (webhook_endpoints: 1): the master key that sealed them is not in "
        "GATEWAY_MASTER_KEY, or they are damaged. Drop no key, add the missing one, and run this again.\n"
    )
    assert "1  webhook signing secrets sealed anew" in done.stdout
    assert "1  old webhook signing secrets sealed anew" in done.stdout
    assert "1  webhook endpoints' own headers sealed anew" in done.stdout
    assert "1  webhook signing secrets that no key opens" in done.stdout


async def test_resealing_with_a_foreign_key_says_once_what_to_do(
    run: Run, database_url: str, redis_url: str, master_key: str, keyring: Keyring
) -> None:
    async with running_api(database_url, redis_url, master_key) as api:
        await seal_some(api, keyring)

    told = run("reseal", GATEWAY_MASTER_KEY=NEWER_KEY)
    shown = run("reseal", "--json", GATEWAY_MASTER_KEY=NEWER_KEY)

    assert (told.returncode, shown.returncode) == (1, 1)
    assert f"({', '.join(f'{kind}: {count}' for kind, count in SEALED.items())})" in told.stderr
    assert "run this again" not in told.stdout
    assert json.loads(shown.stdout)["unreadable"] == SEALED


async def test_what_is_already_under_the_only_key_is_left_alone(
    run: Run, database_url: str, redis_url: str, master_key: str, keyring: Keyring
) -> None:
    async with running_api(database_url, redis_url, master_key) as api:
        await seal_some(api, keyring)
        before = await read_rows(api.database, "SELECT xmin, sealed_secret FROM webhook_endpoints")

        report = read(run("reseal", "--json"))

        assert await read_rows(api.database, "SELECT xmin, sealed_secret FROM webhook_endpoints") == before
        assert set(report["resealed"].values()) == {0}
        assert report["old_keys_may_be_dropped"] is True
        expect(200, await api.client.get(API_KEYS, headers={"X-Api-Key": TEST_KEY, "X-Api-Secret": TEST_SECRET}))
