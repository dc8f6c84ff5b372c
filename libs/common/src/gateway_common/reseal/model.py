"""Which stored values are sealed, what binds each to its row, and how one is sealed anew. Nothing here reads a row."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway_common.crypto import Keyring
from gateway_common.idempotency.model import IdempotencyScope
from gateway_common.idempotency.model import seal_context as answer_context
from gateway_common.payments.cards import seal_context as card_context
from gateway_common.webhooks.model import headers_context
from gateway_common.webhooks.model import seal_context as endpoint_context


class SealedKind(StrEnum):
    """A column of sealed values, by its table, in the order in which they are walked.

    A rotation moves an endpoint's secret to the old ones as it is: these come behind, so that none slips through.
    """

    WEBHOOK_ENDPOINT = "webhook_endpoints"
    OLD_WEBHOOK_SECRET = "webhook_endpoints.sealed_old_secret"  # noqa: S105 -- the name of a column.
    WEBHOOK_HEADERS = "webhook_endpoints.sealed_headers"
    CARD = "payment_cards"
    ANSWER = "idempotency_keys"
    """Only the answers that hold a secret are sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRow:
    """One row of such a column. `place` is its primary key."""

    place: tuple[Any, ...]
    sealed: bytes | None
    """None if this row's value is not sealed."""
    fingerprint: bytes | None = None
    """By which a repeated request is known again. It can't be made anew: nobody kept the request."""


def seal_context(kind: SealedKind, place: tuple[Any, ...]) -> str:
    """What binds the value at this place to its row; the same words by which its noun seals it."""
    if kind in {SealedKind.WEBHOOK_ENDPOINT, SealedKind.OLD_WEBHOOK_SECRET}:
        return endpoint_context(*place)
    if kind is SealedKind.WEBHOOK_HEADERS:
        return headers_context(*place)
    if kind is SealedKind.CARD:
        return card_context(*place)
    merchant_id, livemode, route, key = place
    return answer_context(IdempotencyScope(merchant_id=merchant_id, livemode=livemode, route=route, key=key))


def reseal(keyring: Keyring, kind: SealedKind, row: SealedRow) -> bytes | None:
    """The row's value under the current master key, None if there is nothing to do. SealBrokenError."""
    if row.sealed is None or keyring.key_id(row.sealed) == keyring.current_key_id:
        return None
    context = seal_context(kind, row.place)
    return keyring.seal(keyring.unseal(row.sealed, context=context), context=context)
