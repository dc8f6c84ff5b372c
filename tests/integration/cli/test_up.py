"""`gateway up` as a person meets it: a sentence for each thing in the way, a clean end, a start after a bad end."""

import os
import signal
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import psycopg
from tests.integration.cli.conftest import Command
from tests.support.databases import service_url
from tests.support.servers import running_postgres, running_redis

READY = "The gateway is ready"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
WHO_WORKS = "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name LIKE 'gateway-%'"
Start = Callable[..., Command]


def test_the_whole_stack_starts_answers_and_stops_clean(
    gateway: Start, folder: Path, free_ports: dict[str, str]
) -> None:
    command = gateway("up", "--data", str(folder / "data"))
    command.wait_for(READY)
    for name in ("API", "DASHBOARD", "SDK"):
        assert httpx.get(f"http://localhost:{free_ports[f'{name}_PORT']}/readyz").status_code == 200
    children = psutil.Process(command.process.pid).children(recursive=True)
    assert command.stop() == 0, command.errors
    assert command.errors == ""
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert stat.S_IMODE((folder / "data" / "master-key").stat().st_mode) == 0o600
    assert "database system is shut down" in (folder / "data" / "logs" / "gateway.log").read_text()


def test_a_second_one_in_the_same_folder_is_refused(gateway: Start, folder: Path) -> None:
    first = gateway("up", "--data", str(folder / "data"))
    first.wait_for("bringing the database up to date")
    second = gateway("up", "--data", str(folder / "data"))
    assert second.process.wait(30) == 1
    assert second.output == ""
    assert second.errors == (
        f"gateway: A gateway already runs in {folder} (process {first.process.pid}): stop that one first.\n"
    )
    assert first.process.poll() is None


def test_after_a_kill_nothing_of_it_lives_on_and_the_next_start_works(gateway: Start, folder: Path) -> None:
    first = gateway("up", "--data", str(folder / "data"))
    first.wait_for(READY)
    children = psutil.Process(first.process.pid).children(recursive=True)
    first.stop(signal.SIGKILL)
    second = gateway("up", "--data", str(folder / "data"))
    second.wait_for(READY)
    assert psutil.wait_procs(children, timeout=0)[1] == []
    assert second.stop(signal.SIGTERM) == 0


def test_a_service_that_dies_takes_all_down_and_is_named(gateway: Start, folder: Path) -> None:
    command = gateway("up", "--data", str(folder / "data"))
    command.wait_for(READY)
    (processor,) = [
        child
        for child in psutil.Process(command.process.pid).children()
        if child.cmdline()[1:] == ["-m", "gateway_processor"]
    ]
    processor.kill()
    assert command.process.wait(60) == 1
    log = folder / "data" / "logs" / "gateway.log"
    assert command.errors == f"gateway: processor was ended by SIGKILL, so everything was stopped; see {log}.\n"


def test_ctrl_c_during_the_start_is_a_clean_end(gateway: Start, folder: Path) -> None:
    command = gateway("up", "--data", str(folder / "data"))
    command.wait_for("bringing the database up to date")
    time.sleep(0.2)
    assert command.stop() == 0
    assert command.errors == ""


def test_a_taken_port_is_named_with_the_setting_that_moves_it(gateway: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = gateway("up", POSTGRES_PORT=str(port))
        assert command.process.wait(30) == 1
    assert command.errors == (
        f"gateway: Port {port} (POSTGRES_PORT) is taken by another program: stop that one, or set another port.\n"
    )
    assert command.output == ""


def test_a_setting_that_makes_no_sense_is_a_usage_error(gateway: Start, free_ports: dict[str, str]) -> None:
    command = gateway("up", API_PORT="80000")
    assert command.process.wait(30) == 2
    assert command.errors == "gateway: API_PORT must be a port from 1 to 65535, not '80000'.\n"
    port = free_ports["SDK_PORT"]
    command = gateway("up", API_PORT=port)
    assert command.process.wait(30) == 2
    assert command.errors == f"gateway: API_PORT and SDK_PORT are both {port}: each needs a port of its own.\n"


def test_servers_of_ones_own_are_used_instead(gateway: Start, folder: Path) -> None:
    with running_postgres() as owner_url, running_redis() as redis_url:
        assert gateway("migrate", DATABASE_URL=NOWHERE, MIGRATIONS_DATABASE_URL=owner_url).process.wait(60) == 0
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute("CREATE ROLE gateway LOGIN PASSWORD 'any' IN ROLE gateway_service")
        addresses = {"DATABASE_URL": service_url(owner_url), "MIGRATIONS_DATABASE_URL": owner_url}
        command = gateway("up", "--data", str(folder / "data"), REDIS_URL=redis_url, **addresses)
        command.wait_for(READY)
        with psycopg.connect(owner_url) as connection:
            assert connection.execute(WHO_WORKS).fetchall() == [("gateway",)]
        assert service_url(owner_url) in command.output
        assert command.stop() == 0
    assert not (folder / "data" / "postgres").exists()
    assert not (folder / "data" / "redis").exists()


def test_a_database_of_ones_own_that_does_not_answer_is_one_sentence(gateway: Start) -> None:
    command = gateway("up", DATABASE_URL=NOWHERE)
    assert command.process.wait(30) == 1
    assert command.errors.startswith("gateway: The database of DATABASE_URL can't be used: ")
    assert command.errors.count("\n") == 1


def test_an_owners_address_that_does_not_answer_is_named(gateway: Start, database_url: str) -> None:
    for arguments in ("migrate", "up"):
        command = gateway(arguments, DATABASE_URL=database_url, MIGRATIONS_DATABASE_URL=NOWHERE)
        assert command.process.wait(60) == 1
        assert command.errors.startswith("gateway: The database of MIGRATIONS_DATABASE_URL can't be used: ")
        assert command.errors.count("\n") == 1
    command = gateway("migrate", MIGRATIONS_DATABASE_URL="mysql://db")
    assert command.process.wait(30) == 2
    assert command.errors == "gateway: MIGRATIONS_DATABASE_URL must be a postgresql:// address.\n"


def test_a_master_key_that_is_none_is_one_sentence(gateway: Start, database_url: str) -> None:
    command = gateway("seed", DATABASE_URL=database_url, GATEWAY_MASTER_KEY="short", TEST_MODE="true")

    assert command.process.wait(30) == 2
    assert command.errors == "gateway: GATEWAY_MASTER_KEY is not base64.\n"


def test_migrate_and_seed_say_what_they_miss(gateway: Start) -> None:
    for arguments in ("migrate", "seed"):
        command = gateway(arguments, TEST_MODE="true")
        assert command.process.wait(30) == 2
        assert command.errors == "gateway: Set DATABASE_URL first.\n"


def test_the_published_key_goes_into_no_real_database(gateway: Start) -> None:
    command = gateway("seed", DATABASE_URL=NOWHERE)

    assert command.process.wait(30) == 2
    assert command.errors.startswith("gateway: The test merchant's key is published: set TEST_MODE=true")


def test_the_data_folder_must_be_usable(gateway: Start, folder: Path) -> None:
    (folder / "file").touch()
    command = gateway("up", "--data", os.fspath(folder / "file" / "data"))
    assert command.process.wait(30) == 1
    assert command.errors.startswith(f"gateway: The folder {folder / 'file' / 'data'} can't be used: ")
