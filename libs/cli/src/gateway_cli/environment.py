"""What a command needs from the environment, asked for in one sentence where it is missing or wrong."""

import os

from gateway_cli.failure import UsageFailure
from gateway_common.crypto import Keyring


def required(name: str) -> str:
    """The value of a setting; UsageFailure without one."""
    value = os.environ.get(name)
    if not value:
        raise UsageFailure(f"Set {name} first.")
    return value


def keyring() -> Keyring:
    """The master keys of GATEWAY_MASTER_KEY; UsageFailure if they are none."""
    return parse_keyring(required("GATEWAY_MASTER_KEY"))


def parse_keyring(master_keys: str) -> Keyring:
    """The same, of keys that come from elsewhere."""
    try:
        return Keyring(master_keys)
    except ValueError as error:
        raise UsageFailure(f"{error}.") from error
