"""The doctor at the master keys: do they parse, and are all there by which the database's secrets are known."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from gateway_cli.doctor.answer import Answer, fine, problem
from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Connection
from gateway_common.merchants.store import count_hashes_by_key_id
from gateway_common.reseal.model import SealedKind
from gateway_common.reseal.store import count_sealed_by_key_id

MAKE_ONE: Final = "make one with `openssl rand -base64 32`"
# Idempotency-Keys are not asked: there may be millions, and they end by themselves.
API_KEYS: Final = "API keys are refused"
SEALED: Final = {
    SealedKind.WEBHOOK_ENDPOINT: "webhooks can't be signed",
    SealedKind.OLD_WEBHOOK_SECRET: "webhooks can't be signed while their secret is rotated",
    SealedKind.WEBHOOK_HEADERS: "webhooks can't be sent with headers of their own",
    SealedKind.CARD: "payments by card fail",
}


def examine_master_keys(environment: Mapping[str, str]) -> Answer:
    keys = environment.get("GATEWAY_MASTER_KEY")
    if not keys:
        return problem(f"GATEWAY_MASTER_KEY is not set: {MAKE_ONE}.")
    try:
        Keyring(keys)
    except ValueError as error:
        return problem(f"{error}: {MAKE_ONE}.")
    count = keys.count(",") + 1
    return fine("There is one master key." if count == 1 else f"There are {count} master keys; the first one is used.")


async def examine_key_ids(connection: Connection, environment: Mapping[str, str]) -> list[Answer]:
    """Compare the keys the database needs with those that are set; nothing if the latter are none anyway."""
    try:
        keyring = Keyring(environment.get("GATEWAY_MASTER_KEY", ""))
    except ValueError:
        return []
    counts = {API_KEYS: await count_hashes_by_key_id(connection, system_clock())}
    for kind, harm in SEALED.items():
        counts[harm] = await count_sealed_by_key_id(connection, kind)
    return judge_key_ids(keyring.key_ids, counts)


def judge_key_ids(known: frozenset[str], counts: Mapping[str, Mapping[str, int]]) -> list[Answer]:
    """Judge how many need which master key, by its id, under what happens to each without it."""
    missing: dict[str, list[str]] = defaultdict(list)
    for harm, by_id in counts.items():
        for key_id, count in by_id.items():
            if key_id not in known:
                missing[key_id].append(f"{harm} ({count})")
    if not missing:
        return [fine("The master keys are those by which the database's secrets are sealed and hashed.")]
    return [
        problem(
            f"GATEWAY_MASTER_KEY lacks the master key {key_id}, by which this database's secrets are known: "
            f"{', '.join(harms)}. Append it."
        )
        for key_id, harms in sorted(missing.items())
    ]
