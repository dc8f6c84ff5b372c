"""`gateway doctor` as a process: a line for each thing it looked at, what to do about a bad one, and never a secret."""

import base64
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psycopg
import pytest
import redis
from tests.integration.cli.conftest import Command
from tests.support.records import store_payments, write_rows

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.merchants.seed import TEST_KEY

OTHER_KEY = base64.b64encode(bytes(range(1, 33))).decode()
Start = Callable[..., Command]


@pytest.fixture
def surroundings(database_url: str, redis_url: str, master_key: str) -> dict[str, str]:
    """An environment in which all is as it should be."""
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "GATEWAY_MASTER_KEY": master_key,
        "TEST_MODE": "true",
    }


def examined(command: Command, status: int) -> list[str]:
    """The lines of a doctor that ended with this status."""
    assert command.process.wait(120) == status, command.output + command.errors
    assert command.errors == ""
    return command.output.splitlines()


def problems(gateway: Start, surroundings: dict[str, str]) -> list[str]:
    lines = examined(gateway("doctor", **surroundings), 1)
    found = [line.removeprefix("problem  ") for line in lines if line.startswith("problem")]
    assert re.fullmatch(
        r"1 of \d+ things is not as it should be\."
        if len(found) == 1
        else rf"{len(found)} of \d+ things are not as they should be\.",
        lines[-1],
    )
    return found


def test_all_is_fine(gateway: Start, surroundings: dict[str, str], free_ports: dict[str, str]) -> None:
    lines = examined(gateway("doctor", **surroundings), 0)

    assert lines.pop() == "All is as it should be."
    assert all(line.startswith("ok       ") for line in lines if line)
    said = "\n".join(lines)
    for sentence in (
        "answers at DATABASE_URL.",
        "The clock of PostgreSQL and this machine's differ by less than a second.",
        "The database has the newest schema.",
        "The role gateway may work, and can't change the ledger.",
        "The published test key is there, as TEST_MODE wants it.",
        "answers at REDIS_URL.",
        "Redis throws nothing away",
        "There is one master key.",
        *(
            f"The settings of {name} are valid."
            for name in ("api", "processor", "webhook-dispatcher", "dashboard", "sdk")
        ),
        free_ports["API_PORT"],
    ):
        assert sentence in said
    assert surroundings["GATEWAY_MASTER_KEY"] not in said


def test_nothing_is_set_and_nothing_runs(gateway: Start) -> None:
    lines = examined(gateway("doctor"), 0)

    assert lines[0] == (
        "ok       DATABASE_URL, REDIS_URL and GATEWAY_MASTER_KEY are not set: `make up` needs none of them."
    )
    assert not any("PostgreSQL" in line or "Redis" in line for line in lines[1:])
    assert "ok       The settings of api are valid." in lines


def test_what_is_not_set_beside_what_is_set_is_missing(gateway: Start, surroundings: dict[str, str]) -> None:
    found = problems(gateway, {"GATEWAY_MASTER_KEY": surroundings["GATEWAY_MASTER_KEY"]})

    assert [sentence.partition(" ")[0] for sentence in found] == ["DATABASE_URL", "REDIS_URL"]


def test_without_stores_the_local_stack_that_runs_is_looked_at(
    gateway: Start, folder: Path, free_ports: dict[str, str]
) -> None:
    up = gateway("up", "--data", str(folder / "data"))
    up.wait_for("The gateway is ready")
    lines = examined(gateway("doctor", "--data", str(folder / "data")), 0)

    assert lines[0] == (
        f"ok       A gateway runs in {folder / 'data'} (process {up.process.pid}): "
        "its own servers and key are looked at."
    )
    said = "\n".join(lines)
    for sentence in (
        "The role gateway may work, and can't change the ledger.",
        "The published test key is there, as TEST_MODE wants it.",
        "The master keys are those by which the database's secrets are sealed and hashed.",
        "answers at REDIS_URL.",
        "There is one master key.",
        f"The ports of the services are free, or the services' own: {free_ports['API_PORT']}",
    ):
        assert sentence in said

    assert up.stop() == 0
    assert "are not set" in examined(gateway("doctor", "--data", str(folder / "data")), 0)[0]


def test_there_is_no_database(gateway: Start, surroundings: dict[str, str]) -> None:
    nowhere = "postgresql://gateway:top-secret@127.0.0.1:1/gateway"
    [sentence] = problems(gateway, surroundings | {"DATABASE_URL": nowhere})

    assert sentence.startswith("The database of DATABASE_URL can't be used: ")
    assert "top-secret" not in sentence


def test_nobody_has_migrated(gateway: Start, surroundings: dict[str, str], postgres_url: str) -> None:
    empty = f"{postgres_url.rpartition('/')[0]}/postgres"
    [sentence] = problems(gateway, surroundings | {"DATABASE_URL": empty})

    assert sentence == "The database is not ready, not migrated: run `gateway migrate`."


def test_the_owner_of_the_tables_is_no_role_for_services(
    gateway: Start, surroundings: dict[str, str], owner_url: str
) -> None:
    [sentence] = problems(gateway, surroundings | {"DATABASE_URL": owner_url})

    assert sentence.startswith("DATABASE_URL signs in as postgres, a superuser, who can rewrite the ledger: ")


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("GRANT UPDATE (amount_minor) ON ledger_entries TO gateway_service", "may change the ledger"),
        ("REVOKE UPDATE ON payments FROM gateway_service", "may not write what a service must"),
    ],
)
def test_a_role_with_the_wrong_rights(
    gateway: Start, surroundings: dict[str, str], owner_url: str, statement: str, sentence: str
) -> None:
    with psycopg.connect(owner_url) as connection:
        connection.execute(statement.encode())
    [found] = problems(gateway, surroundings)

    assert sentence in found


def test_the_published_key_in_a_database_of_real_money_is_a_danger(
    gateway: Start, surroundings: dict[str, str], owner_url: str
) -> None:
    [sentence] = problems(gateway, surroundings | {"TEST_MODE": "false"})
    assert sentence.startswith(f"DANGER: the published test key {TEST_KEY} opens this database")

    with psycopg.connect(owner_url) as connection:
        connection.execute("UPDATE api_keys SET revoked_at = now()")
    lines = examined(gateway("doctor", **surroundings | {"TEST_MODE": "false"}), 0)
    assert "ok       The published test key opens nothing here." in lines


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://127.0.0.1:1/0", "The Redis of REDIS_URL can't be used: "),
        ("amqp://127.0.0.1", "REDIS_URL must be redis://host:6379/0, redis+sentinel://"),
    ],
)
def test_there_is_no_redis(gateway: Start, surroundings: dict[str, str], url: str, sentence: str) -> None:
    [found] = problems(gateway, surroundings | {"REDIS_URL": url})

    assert found.startswith(sentence)


@pytest.fixture
def forgetful_redis_url(redis_url: str) -> Iterator[str]:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        yield redis_url
        client.config_set("maxmemory-policy", "noeviction")


def test_a_redis_that_forgets(gateway: Start, surroundings: dict[str, str], forgetful_redis_url: str) -> None:
    [sentence] = problems(gateway, surroundings | {"REDIS_URL": forgetful_redis_url})

    assert "(allkeys-lru)" in sentence
    assert sentence.endswith("set maxmemory-policy to noeviction.")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [("not base64!", "GATEWAY_MASTER_KEY is not base64: "), ("YWJj", "GATEWAY_MASTER_KEY must hold 32 bytes, not 3: ")],
)
def test_a_wrong_master_key(gateway: Start, surroundings: dict[str, str], keys: str, sentence: str) -> None:
    [found] = problems(gateway, surroundings | {"GATEWAY_MASTER_KEY": keys})

    assert found == f"{sentence}make one with `openssl rand -base64 32`."


async def test_a_master_key_that_the_database_needs_is_missing(
    gateway: Start, surroundings: dict[str, str], database: Database, keyring: Keyring
) -> None:
    sealed = keyring.seal(b"secret", context="any")
    await write_rows(
        database,
        "INSERT INTO webhook_endpoints (id, merchant_id, livemode, url, event_types, status, sealed_secret,"
        " sealed_old_secret, old_secret_until, sealed_headers, header_names, created_at, updated_at)"
        " VALUES ('we_1', 'mer_test', false, 'https://shop.example', '{}', 'enabled', :sealed,"
        " :sealed, now(), :sealed, '{Authorization}', now(), now())",
        sealed=sealed,
    )
    (payment,) = await store_payments(database)
    await write_rows(
        database, "INSERT INTO payment_cards VALUES (:id, 'any', :sealed, now())", id=payment.id, sealed=sealed
    )
    sentence = (
        f"GATEWAY_MASTER_KEY lacks the master key {keyring.current_key_id}, by which this database's secrets are known:"
        " API keys are refused (1), webhooks can't be signed (1), webhooks can't be signed while their secret is"
        " rotated (1), webhooks can't be sent with headers of their own (1), payments by card fail (1). Append it."
    )
    both = f"{OTHER_KEY},{surroundings['GATEWAY_MASTER_KEY']}"

    assert problems(gateway, surroundings | {"GATEWAY_MASTER_KEY": OTHER_KEY}) == [sentence]
    lines = examined(gateway("doctor", **surroundings | {"GATEWAY_MASTER_KEY": both}), 0)
    assert "ok       The master keys are those by which the database's secrets are sealed and hashed." in lines


def test_a_revoked_key_needs_no_master_key(gateway: Start, surroundings: dict[str, str], owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        connection.execute("UPDATE api_keys SET revoked_at = now()")

    examined(gateway("doctor", **surroundings | {"GATEWAY_MASTER_KEY": OTHER_KEY}), 0)


def test_settings_that_a_service_would_not_take(gateway: Start, surroundings: dict[str, str]) -> None:
    found = problems(gateway, surroundings | {"PROCESSOR_CONCURRENCY": "many", "CHECKOUT_FRAME_ANCESTORS": "shop"})

    assert len(found) == 2
    assert found[0].startswith("processor would not start. PROCESSOR_CONCURRENCY: ")
    assert found[1].startswith("sdk would not start. CHECKOUT_FRAME_ANCESTORS: ")
    assert "many" not in found[0]


class Healthy(BaseHTTPRequestHandler):
    """Answers a probe as our services do."""

    answer = b'{"status":"ok"}'

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Foreign(Healthy):
    answer = b"It works!"


@pytest.mark.parametrize(("listening", "is_ours"), [(Healthy, True), (Foreign, False)])
def test_a_port_is_ours_or_a_problem(
    gateway: Start, surroundings: dict[str, str], listening: type[BaseHTTPRequestHandler], *, is_ours: bool
) -> None:
    with HTTPServer(("127.0.0.1", 0), listening) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        taken = surroundings | {"API_PORT": str(server.server_port)}
        if is_ours:
            assert "ok       The ports of the services" in "\n".join(examined(gateway("doctor", **taken), 0))
        else:
            assert problems(gateway, taken) == [
                f"Port {server.server_port} (API_PORT) is taken by another program: stop that one, or set another port."
            ]
        server.shutdown()
