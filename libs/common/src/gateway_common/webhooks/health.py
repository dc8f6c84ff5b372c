"""How an endpoint fares, and the breaker that follows from it. Pure; all times are the database's.

After ten failures in a row over at least a minute nothing is sent for half a minute, then one delivery is tried. If
that fails too the pause doubles, up to five minutes; if it succeeds two may be in flight, and each further success
doubles that, until the gateway's usual cap is reached. One that is enabled again begins with one delivery too. What
waits meanwhile loses no attempt.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from gateway_common.clock import format_time

OPEN_AFTER_FAILURES: Final = 10
OPEN_AFTER: Final = timedelta(minutes=1)
"""Ten failures at once, a restart of the merchant's server say, are no reason to stop."""
PAUSE_FIRST: Final = timedelta(seconds=30)
PAUSE_LONGEST: Final = timedelta(minutes=5)
DISABLE_AFTER: Final = timedelta(days=5)
RECOVER_WITHIN: Final = timedelta(days=7)
"""Events older than this are not tried again by themselves. The longest schedule is over long before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointHealth:
    endpoint_id: str
    consecutive_failures: int = 0
    failing_since: datetime | None = None
    last_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    blocked_until: datetime | None = None
    """Nothing is sent before."""
    allowance: int | None = None
    """How many may be in flight while the breaker is not closed; None when it is."""
    trips: int = 0


def after_success(health: EndpointHealth, *, now: datetime, in_flight_most: int) -> EndpointHealth:
    """The endpoint answered 2xx: it is well, and gets more at once than before."""
    allowance = health.allowance and health.allowance * 2
    if allowance is not None and allowance >= in_flight_most:
        allowance = None
    return replace(
        health,
        consecutive_failures=0,
        failing_since=None,
        last_attempt_at=now,
        last_success_at=now,
        blocked_until=None,
        allowance=allowance,
        trips=0,
    )


def after_failure(health: EndpointHealth, *, now: datetime) -> EndpointHealth:
    """One more failure: opens the breaker if there were enough, or if it was the one that was to tell."""
    failing = replace(
        health,
        consecutive_failures=health.consecutive_failures + 1,
        failing_since=health.failing_since or now,
        last_attempt_at=now,
    )
    if health.blocked_until is not None and now < health.blocked_until:
        return failing
    if health.allowance is not None and health.allowance > 1:
        return replace(failing, allowance=health.allowance // 2)
    if health.allowance == 1 or _has_failed_enough(failing, now):
        pause = min(PAUSE_FIRST * 2 ** min(health.trips, 10), PAUSE_LONGEST)
        return replace(failing, blocked_until=now + pause, allowance=1, trips=health.trips + 1)
    return failing


def _has_failed_enough(health: EndpointHealth, now: datetime) -> bool:
    since = health.failing_since or now
    return health.consecutive_failures >= OPEN_AFTER_FAILURES and now - since >= OPEN_AFTER


def should_disable(health: EndpointHealth) -> bool:
    """Whether nothing but failures, and not just a few, came for five days.

    Counted from attempt to attempt: silence is no failure.
    """
    if health.failing_since is None or health.last_attempt_at is None:
        return False
    if health.consecutive_failures < OPEN_AFTER_FAILURES:
        return False
    return health.last_attempt_at - health.failing_since >= DISABLE_AFTER


def health_snapshot(health: EndpointHealth) -> dict[str, Any]:
    """How the endpoint fares, as the API shows it."""
    moments = ("failing_since", "last_success_at", "last_attempt_at", "blocked_until")
    shown = {name: moment and format_time(moment) for name in moments for moment in (getattr(health, name),)}
    return {"consecutive_failures": health.consecutive_failures, **shown}
