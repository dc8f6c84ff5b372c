"""What PostgreSQL says of payments under way, and the promise that holds in the end: nothing lost, nothing twice."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, LiteralString

import psycopg

STORY = ("payment.created", "payment.processing", "payment.success")


class Rows:
    """Reads as the database's owner. A connection that a restart broke is replaced by a new one."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._connection: psycopg.Connection[Any] | None = None

    def read(self, query: LiteralString, *parameters: Any) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = self._connect()
        try:
            return self._connection.execute(query, parameters).fetchall()
        except psycopg.OperationalError:
            self.close()
            self._connection = self._connect()
            return self._connection.execute(query, parameters).fetchall()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def count(self, condition: LiteralString, payment_ids: Sequence[str]) -> int:
        """How many of the payments fulfil the condition."""
        query: LiteralString = "SELECT count(*) FROM payments WHERE id = ANY (%s) AND " + condition
        [(count,)] = self.read(query, list(payment_ids))
        return int(count)

    def statuses(self, payment_ids: Sequence[str]) -> Counter[str]:
        found = self.read("SELECT status, count(*) FROM payments WHERE id = ANY (%s) GROUP BY 1", list(payment_ids))
        return Counter(dict(found))

    def wait_for_count(self, condition: LiteralString, payment_ids: Sequence[str], *, timeout_seconds: float) -> float:
        """Wait until the condition holds for all of the payments; the seconds that took."""
        started = time.monotonic()
        while (found := self.count(condition, payment_ids)) < len(payment_ids):
            if time.monotonic() - started > timeout_seconds:
                statuses = dict(self.statuses(payment_ids))
                raise TimeoutError(
                    f"{condition}: {found} of {len(payment_ids)} after {timeout_seconds:g} s; {statuses}"
                )
            time.sleep(0.05)
        return time.monotonic() - started

    def assert_nothing_was_lost(self, payment_ids: Sequence[str]) -> None:
        """Every payment a success with each event once, authorized once by the provider's account; no work left."""
        assert self.statuses(payment_ids) == {"success": len(payment_ids)}
        # An authorization that waits for its capture is due when it expires, in seven days.
        resting: LiteralString = "worker_id IS NULL AND leased_at IS NULL AND due_at > now() + interval '6 days'"
        assert self.count(resting, payment_ids) == len(payment_ids)
        assert self.read(f"SELECT count(*) FROM payments WHERE NOT ({resting})") == [(0,)]
        events = self.read(
            "SELECT object_id, array_agg(type ORDER BY id) FROM events WHERE object_id = ANY (%s) GROUP BY 1",
            list(payment_ids),
        )
        assert {payment_id: tuple(types) for payment_id, types in events} == dict.fromkeys(payment_ids, STORY)
        account = self.read(
            "SELECT payment_id, kind, requests FROM simulator_operations WHERE payment_id = ANY (%s)", list(payment_ids)
        )
        assert sorted(account) == sorted((payment_id, "authorize", 1) for payment_id in payment_ids)
