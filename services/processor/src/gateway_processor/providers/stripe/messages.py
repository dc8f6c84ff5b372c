"""A request to Stripe and its answer as values: what it means stands in answers.py, how it comes in client.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What Stripe said. A body that is no JSON object is empty here."""

    status: int
    body: Mapping[str, Any] = field(repr=False)
    request_id: str | None = None
    """Stripe's own name for the request: its dashboard finds it by that."""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `form` has no representation: a card may be in it."""

    method: str
    path: str
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    key: str | None = None
    """The Idempotency-Key."""
