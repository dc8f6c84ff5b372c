"""Where the doctor looks: at what the environment names, or else at the local stack that runs on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway_cli.doctor.answer import Answer, fine
from gateway_cli.failure import Failure
from gateway_cli.local.ownership import find_holder
from gateway_cli.local.services import LOCAL_DEFAULTS, store_environment
from gateway_cli.local.settings import read_settings

STORES = ("DATABASE_URL", "REDIS_URL", "GATEWAY_MASTER_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`environment` is what the services are to be told; without stores there are none to look at."""

    environment: Mapping[str, str]
    has_stores: bool
    notes: tuple[Answer, ...] = ()


def find_surroundings(environment: Mapping[str, str], data_folder: Path) -> Surroundings:
    """The environment's own, where it names a store; else those of the stack that holds the folder, if one does."""
    if any(environment.get(name) for name in STORES):
        return Surroundings(environment=environment, has_stores=True)
    holder = find_holder(data_folder)
    if holder is None:
        note = "DATABASE_URL, REDIS_URL and GATEWAY_MASTER_KEY are not set: `make up` needs none of them."
        return Surroundings(environment=environment, has_stores=False, notes=(fine(note),))
    settings = read_settings(environment, data_folder)
    try:
        stores = store_environment(settings)
    except OSError as error:
        raise Failure(f"The master key of {settings.data_folder} can't be read: {error.strerror}.") from error
    note = f"A gateway runs in {settings.data_folder} (process {holder}): its own servers and key are looked at."
    return Surroundings(environment={**LOCAL_DEFAULTS, **environment, **stores}, has_stores=True, notes=(fine(note),))
