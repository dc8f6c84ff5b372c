"""The embedded servers: made once, stopped clean, and started again whatever happened to the run before."""

import asyncio
import os
import signal
import stat
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
import redis
from tests.support.servers import running_postgres, running_redis

from gateway_cli.failure import Failure
from gateway_cli.local.leftovers import find_leftovers
from gateway_cli.local.postgres import create_database
from gateway_cli.local.settings import StackSettings, throwaway_settings
from gateway_cli.local.stack import server_programs, supervised


@pytest.fixture
def settings(folder: Path) -> StackSettings:
    return throwaway_settings({}, folder / "closed" / ".data")


async def test_both_servers_keep_their_data_from_one_run_to_the_next(settings: StackSettings) -> None:
    async with supervised(settings) as stack:
        await stack.launch(server_programs(settings))
        address = await asyncio.to_thread(create_database, settings.ports["POSTGRES_PORT"])
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (number integer)")
    assert [process.exit_status for process in stack.processes.values()] == [0, 0]

    async with supervised(settings) as stack:
        await stack.launch(server_programs(settings))
        assert await asyncio.to_thread(create_database, settings.ports["POSTGRES_PORT"]) == address
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


async def test_servers_start_below_a_folder_that_is_closed_to_others(settings: StackSettings) -> None:
    closed = settings.data_folder.parent
    closed.mkdir(mode=0o700)
    async with supervised(settings) as stack:
        await stack.launch(server_programs(settings))
    assert stat.S_IMODE(closed.stat().st_mode) in {0o700, 0o711}, "others may walk through at most, and never list it"


async def test_servers_listen_on_loopback_only_and_redis_refuses_to_forget(settings: StackSettings) -> None:
    async with supervised(settings) as stack:
        await stack.launch(server_programs(settings))
        for process in stack.processes.values():
            listening = psutil.Process(process.pid).net_connections()
            assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}
        with redis.Redis.from_url(settings.effective_redis_url) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


@pytest.mark.parametrize("name", ["postgres", "redis"])
async def test_a_killed_server_starts_again_in_the_same_stack(settings: StackSettings, name: str) -> None:
    async with supervised(settings) as stack:
        await stack.launch(server_programs(settings))
        first = stack.processes[name].pid
        stack.kill(name)
        assert await stack.processes[name].wait() == -signal.SIGKILL
        await stack.start(name)
        assert stack.processes[name].pid not in {first, None}


async def test_a_server_that_outlived_its_supervisor_is_stopped_and_replaced(settings: StackSettings) -> None:
    async with supervised(settings) as old, supervised(settings) as new:
        await old.launch(server_programs(settings))
        left = {process.pid for process in old.processes.values()}
        await new.launch(server_programs(settings))
        assert left.isdisjoint(psutil.pids())
        assert all(process.pid for process in new.processes.values())


async def test_a_stale_pid_file_with_the_number_of_another_program_blocks_nothing(settings: StackSettings) -> None:
    async with supervised(settings) as stack:
        await stack.launch(server_programs(settings))
        pid_file = settings.data_folder / "postgres" / "postmaster.pid"
        content = pid_file.read_text()
        await stack.stop("postgres")
        pid_file.write_text(content.replace(content.splitlines()[0], str(os.getppid()), 1))
        await stack.start("postgres")


async def test_a_half_made_data_folder_is_made_anew(settings: StackSettings) -> None:
    half = settings.data_folder / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    async with supervised(settings) as stack:
        await stack.launch(server_programs(settings))
        assert not half.exists()


async def test_a_server_that_can_not_start_is_named(settings: StackSettings) -> None:
    async with supervised(settings) as stack:
        await stack.launch(server_programs(settings))
        await stack.stop("postgres")
        (settings.data_folder / "postgres" / "global" / "pg_control").unlink()
        with pytest.raises(Failure, match=r"^postgres exited with status \d+ before it was ready"):
            await stack.start("postgres")


def test_servers_for_tests_leave_nothing_behind() -> None:
    with running_postgres() as database_url, running_redis() as redis_url:
        with psycopg.connect(database_url) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("off",)
        with redis.Redis.from_url(redis_url) as client:
            assert client.ping()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database_url)


def test_another_program_in_the_folder_is_not_ours(settings: StackSettings) -> None:
    folder = settings.data_folder / "redis"
    folder.mkdir(parents=True)
    with psutil.Popen(["sleep", "60"], cwd=folder) as bystander:
        assert find_leftovers(server_programs(settings)) == []
        bystander.kill()
