"""A replay: deliveries of a time range sent again, some at a time, as a merchant or a recovered endpoint asks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway_common.clock import format_time


class ReplaySource(StrEnum):
    MERCHANT = "merchant"
    RECOVERY = "recovery"
    """The endpoint answered again, and what had been exhausted is tried once more."""


class ReplayWhich(StrEnum):
    FAILED = "failed"
    ALL = "all"
    """Also what was delivered."""


class ReplayStatus(StrEnum):
    RUNNING = "running"
    DONE = "done"
    """All of its deliveries are queued; `waiting` says how many have not been sent yet."""
    STOPPED = "stopped"
    """Its endpoint was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReplay:
    id: str
    endpoint_id: str
    livemode: bool
    source: ReplaySource
    which: ReplayWhich
    created_from: datetime
    created_to: datetime
    status: ReplayStatus
    total: int
    """How many deliveries matched when it was asked for."""
    queued: int
    """How many of them are waiting again, or were sent since."""
    waiting: int = 0
    """How many of the queued ones have an attempt to come."""
    created_at: datetime
    updated_at: datetime


def replay_snapshot(replay: WebhookReplay) -> dict[str, Any]:
    """The replay as the API shows it."""
    return {
        "id": replay.id,
        "object": "webhook_replay",
        "endpoint_id": replay.endpoint_id,
        "source": replay.source,
        "which": replay.which,
        "created_from": format_time(replay.created_from),
        "created_to": format_time(replay.created_to),
        "status": replay.status,
        "total": replay.total,
        "queued": replay.queued,
        "waiting": replay.waiting,
        "livemode": replay.livemode,
        "created_at": format_time(replay.created_at),
        "updated_at": format_time(replay.updated_at),
    }
