"""A small clean history, written by SQL as the owner: an order paid, captured and refunded, and its neighbours.

Every check of the audit holds on it. Tests then break one thing of it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

from gateway_common.ids import first_id

MERCHANT: Final = "mer_test"
REBUILD_BALANCES: Final = """
DELETE FROM ledger_balances;
INSERT INTO ledger_balances (merchant_id, livemode, account, currency, amount_minor)
SELECT merchant_id, livemode, account, currency, sum(amount_minor) FROM ledger_entries GROUP BY 1, 2, 3, 4;
"""
_PAYMENT: Final = """
INSERT INTO payments (
    id, merchant_id, livemode, amount_minor, currency, method, metadata, capture_method, version,
    created_at, updated_at, status, bound_order_id, capture_status, capture_number, amount_captured_minor,
    amount_refunded_minor, amount_refund_reserved_minor, worker_id, leased_at
)
SELECT %(id)s, 'mer_test', false, 50000, 'INR', 'card', '{}', 'manual', 1, now(), now(), %(status)s, %(order)s,
    CASE WHEN %(captured)s > 0 THEN 'completed' END, CASE WHEN %(captured)s > 0 THEN 1 ELSE 0 END, %(captured)s,
    %(refunded)s, %(reserved)s, CASE WHEN %(status)s = 'processing' THEN 'wrk_live' END,
    CASE WHEN %(status)s = 'processing' THEN now() END
"""
_NOTHING: Final = {"order": None, "captured": 0, "refunded": 0, "reserved": 0}


class History:
    """Its ids by name: `paid`, `failed`, `taken`, `authorized`, `cancelled` payments; the rest say what they are."""

    def __init__(self, made_at: datetime | None = None) -> None:
        moment = made_at or datetime.now(UTC) - timedelta(minutes=1)
        names = {
            "pay_": ("paid", "failed", "taken", "authorized", "cancelled"),
            "rfnd_": ("processed", "released", "pending"),
            "ord_": ("paid_order", "open_order"),
            "we_": ("endpoint",),
            "dlv_": ("delivery", "delivered"),
        }
        self._moment = moment
        self.ids = {
            name: f"{first_id(prefix, moment)}{name.replace('_', '')}"
            for prefix, each in names.items()
            for name in each
        }
        self.last_number = 0

    def __getitem__(self, name: str) -> str:
        return self.ids[name]

    def write(self, connection: psycopg.Connection) -> None:
        """Write it all, in the caller's transaction."""
        connection.execute("INSERT INTO workers VALUES ('wrk_live', 'processor', now(), now())")
        self._write_orders(connection)
        paid = {"order": self["paid_order"], "captured": 50_000, "refunded": 10_000, "reserved": 12_000}
        for name, status, values in (
            ("paid", "success", paid),
            ("failed", "failed", {}),
            ("taken", "processing", {"order": self["open_order"]}),
            ("authorized", "success", {}),
            ("cancelled", "cancelled", {}),
        ):
            connection.execute(_PAYMENT, {**_NOTHING, **values, "id": self[name], "status": status})
        connection.execute("INSERT INTO payment_cards VALUES (%s, 'k', '', now())", [self["taken"]])
        self._write_refunds(connection)
        self._write_ledger(connection)
        self._write_events(connection)
        self._write_delivery(connection)

    def _write_orders(self, connection: psycopg.Connection) -> None:
        for name, status, payment in (("paid_order", "paid", "paid"), ("open_order", "attempted", "taken")):
            connection.execute(
                """
                INSERT INTO orders (
                    id, merchant_id, livemode, amount_minor, currency, metadata, status, payment_id, attempts, version,
                    created_at, updated_at
                )
                VALUES (%s, 'mer_test', false, 50000, 'INR', '{}', %s, %s, 1, 2, now(), now())
                """,
                [self[name], status, self[payment]],
            )

    def _write_refunds(self, connection: psycopg.Connection) -> None:
        for name, status, amount in (
            ("processed", "processed", 10_000),
            ("released", "failed", 5_000),
            ("pending", "pending", 2_000),
        ):
            connection.execute(
                """
                INSERT INTO refunds (
                    id, payment_id, merchant_id, livemode, amount_minor, currency, metadata, status, version,
                    created_at, updated_at
                )
                VALUES (%s, %s, 'mer_test', false, %s, 'INR', '{}', %s, 1, now(), now())
                """,
                [self[name], self["paid"], amount, status],
            )

    def _write_ledger(self, connection: psycopg.Connection) -> None:
        capture = (("provider_clearing", -50_000), ("merchant_balance", 49_000), ("fees", 1_000))
        self.book(connection, f"{self['paid']}:capture:1", capture, payment="paid")
        for name, amount in (("processed", 10_000), ("released", 5_000), ("pending", 2_000)):
            hold = (("merchant_balance", -amount), ("refund_hold", amount))
            self.book(connection, f"{self[name]}:hold", hold, payment="paid", refund=name)
        paid_out = (("refund_hold", -10_000), ("provider_clearing", 10_000))
        self.book(connection, f"{self['processed']}:processed", paid_out, payment="paid", refund="processed")
        released = (("refund_hold", -5_000), ("merchant_balance", 5_000))
        self.book(connection, f"{self['released']}:released", released, payment="paid", refund="released")
        connection.execute(REBUILD_BALANCES)

    def book(
        self,
        connection: psycopg.Connection,
        transaction_id: str,
        lines: Sequence[tuple[str, int]],
        *,
        payment: str,
        refund: str | None = None,
    ) -> None:
        """Write a ledger transaction; the balances are not kept."""
        for account, amount in lines:
            connection.execute(
                "INSERT INTO ledger_entries VALUES (%s, %s, %s, 'mer_test', false, %s, 'INR', %s, %s, %s, now())",
                [
                    f"{first_id('ent_', self._moment)}{transaction_id}{account}",
                    transaction_id,
                    "refund" if refund else "capture",
                    account,
                    amount,
                    self[payment],
                    self[refund] if refund else None,
                ],
            )

    def _write_events(self, connection: psycopg.Connection) -> None:
        happened = {
            "paid": "payment.created payment.processing payment.success payment.captured",
            "failed": "payment.created payment.processing payment.failed",
            "taken": "payment.created payment.processing",
            "authorized": "payment.created payment.processing payment.late_success",
            "cancelled": "payment.created payment.cancelled",
            "processed": "refund.created refund.processed",
            "released": "refund.created refund.failed",
            "pending": "refund.created",
            "paid_order": "order.paid",
        }
        for name, types in happened.items():
            for event_type in types.split():
                self.last_number += 1
                connection.execute(
                    """
                    INSERT INTO events (id, merchant_id, livemode, type, object_id, body, created_at, sequence)
                    VALUES (%s, 'mer_test', false, %s, %s, '', now(), %s)
                    """,
                    [self.event_id(self.last_number), event_type, self[name], self.last_number],
                )
        connection.execute("INSERT INTO event_sequences VALUES ('mer_test', false, %s)", [self.last_number])

    def fill(self, text: str) -> str:
        """The text with ids in place of names; `last` is the last event's number, `last_event` its id."""
        last = self.last_number
        events = {"first_event": self.event_id(1), "last_event": self.event_id(last)}
        return text.format_map({**self.ids, **events, "last": last})

    def event_id(self, number: int) -> str:
        return f"{first_id('evt_', self._moment)}{number:03}"

    def _write_delivery(self, connection: psycopg.Connection) -> None:
        connection.execute(
            """
            INSERT INTO webhook_endpoints (
                id, merchant_id, livemode, url, event_types, status, sealed_secret, created_at, updated_at
            )
            VALUES (%s, 'mer_test', false, 'https://shop.example', '{}', 'enabled', '', now(), now())
            """,
            [self["endpoint"]],
        )
        connection.execute("INSERT INTO webhook_endpoint_health (endpoint_id) VALUES (%s)", [self["endpoint"]])
        for number, name, status in ((1, "delivery", "pending"), (2, "delivered", "delivered")):
            connection.execute("UPDATE events SET fan_out = 1 WHERE id = %s", [self.event_id(number)])
            connection.execute(
                """
                INSERT INTO webhook_deliveries (
                    id, event_id, endpoint_id, merchant_id, livemode, status, attempts, due_at, created_at, updated_at
                )
                SELECT %(id)s, %(event)s, %(endpoint)s, 'mer_test', false, %(status)s,
                    CASE %(status)s WHEN 'delivered' THEN 1 ELSE 0 END,
                    CASE %(status)s WHEN 'pending' THEN now() END, now(), now()
                """,
                {
                    "id": self[name],
                    "event": self.event_id(number),
                    "endpoint": self["endpoint"],
                    "status": status,
                },
            )
        connection.execute(
            """
            INSERT INTO webhook_attempts (
                delivery_id, number, started_at, duration_ms, response_status, response_body
            )
            VALUES (%s, 1, %s, 5, 200, '')
            """,
            [self["delivered"], self._moment],
        )


def write_history(owner_url: str, made_at: datetime | None = None) -> History:
    """Write a clean history into the database, made a minute ago unless told otherwise."""
    history = History(made_at)
    with psycopg.connect(owner_url) as connection:
        history.write(connection)
    return history


def corrupt(owner_url: str, history: History, statements: str, *, balances_follow: bool = False) -> None:
    """Do what no code of ours may: no trigger runs, and constraints that would refuse it are dropped by it.

    A name in braces stands for its id in the history.
    """
    with psycopg.connect(owner_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(history.fill(statements).encode())
        if balances_follow:
            connection.execute(REBUILD_BALANCES)
