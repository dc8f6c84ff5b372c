"""What may be wrong with a history, one thing each: how it is planted, which check finds it, which row that names."""

from dataclasses import dataclass
from typing import Final

from tests.support.history import MERCHANT


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """A name in braces stands for the id of that name in the history."""

    check: str
    planted: str
    subject: str
    detail: str
    """A part of what is said of the row."""
    balances_follow: bool = False
    """Whether the ledger's balances are made anew from the entries, so that only the entries are wrong."""
    seen_in_window: bool = True


CORRUPTIONS: Final = (
    Corruption(
        check="ledger_unbalanced",
        planted="UPDATE ledger_entries SET amount_minor = 1001 WHERE account = 'fees'",
        balances_follow=True,
        subject="{paid}:capture:1",
        detail="its INR entries sum to 1",
    ),
    Corruption(
        check="ledger_balance_wrong",
        planted="UPDATE ledger_balances SET amount_minor = amount_minor + 7 WHERE account = 'merchant_balance'",
        subject=MERCHANT,
        detail="test, merchant_balance INR: the balance is 37007, the entries sum to 37000",
    ),
    Corruption(
        check="ledger_balance_wrong",
        planted="DELETE FROM ledger_balances WHERE account = 'fees'",
        subject=MERCHANT,
        detail="test, fees INR: the balance is 0, the entries sum to 1000",
    ),
    Corruption(
        check="capture_not_booked",
        planted="DELETE FROM ledger_entries WHERE kind = 'capture'",
        balances_follow=True,
        subject="{paid}",
        detail="captured 50000 INR, but {paid}:capture:1 books nothing",
    ),
    Corruption(
        check="capture_not_booked",
        planted="""
            UPDATE ledger_entries SET amount_minor = 40000 * sign(amount_minor)
                WHERE kind = 'capture' AND account <> 'fees';
            DELETE FROM ledger_entries WHERE account = 'fees'
        """,
        balances_follow=True,
        subject="{paid}",
        detail="books -40000 INR",
    ),
    Corruption(
        check="capture_not_booked",
        planted="""
            INSERT INTO ledger_entries
                SELECT id || 'x', '{authorized}:capture:1', kind, merchant_id, livemode, account, currency,
                    amount_minor, '{authorized}', NULL, created_at
                FROM ledger_entries WHERE kind = 'capture'
        """,
        balances_follow=True,
        subject="{authorized}",
        detail="{authorized}:capture:1 is booked, but the payment has no completed capture of that number",
    ),
    Corruption(
        check="refund_not_booked",
        planted="DELETE FROM ledger_entries WHERE transaction_id = '{processed}:processed'",
        balances_follow=True,
        subject="{processed}",
        detail="processed, but {processed}:processed books nothing on refund_hold, not -10000 INR",
    ),
    Corruption(
        check="refund_not_booked",
        planted="DELETE FROM ledger_entries WHERE transaction_id = '{pending}:hold'",
        balances_follow=True,
        subject="{pending}",
        detail="pending, but {pending}:hold books nothing",
    ),
    Corruption(
        check="refund_not_booked",
        planted="""
            UPDATE ledger_entries SET transaction_id = '{released}:lost'
                WHERE transaction_id = '{released}:released'
        """,
        subject="{released}",
        detail="failed, but {released}:released books nothing",
    ),
    Corruption(
        check="captured_over_authorized",
        planted="""
            ALTER TABLE payments DROP CONSTRAINT payments_captured_check;
            UPDATE payments SET amount_minor = 49999 WHERE id = '{paid}';
            UPDATE orders SET amount_minor = 49999 WHERE id = '{paid_order}'
        """,
        subject="{paid}",
        detail="captured 50000 of 49999",
    ),
    Corruption(
        check="refunds_over_captured",
        planted="UPDATE payments SET amount_refund_reserved_minor = 11000 WHERE id = '{paid}'",
        subject="{paid}",
        detail="its refunds reserve 12000 and it says 11000",
    ),
    Corruption(
        check="refunds_over_captured",
        planted="UPDATE payments SET amount_refunded_minor = 9999 WHERE id = '{paid}'",
        subject="{paid}",
        detail="they paid back 10000 and it says 9999",
    ),
    Corruption(
        check="refunds_over_captured",
        planted="""
            ALTER TABLE payments DROP CONSTRAINT payments_refunded_check;
            UPDATE payments SET amount_refund_reserved_minor = 60000 WHERE id = '{paid}';
            UPDATE refunds SET amount_minor = 50000 WHERE id = '{pending}';
            UPDATE ledger_entries SET amount_minor = 50000 * sign(amount_minor)
                WHERE transaction_id = '{pending}:hold'
        """,
        balances_follow=True,
        subject="{paid}",
        detail="captured 50000; its refunds reserve 60000",
    ),
    Corruption(
        check="event_missing",
        planted="UPDATE events SET type = 'ping' WHERE type = 'payment.created' AND object_id = '{paid}'",
        subject="{paid}",
        detail="no event payment.created",
    ),
    Corruption(
        check="event_missing",
        planted="UPDATE events SET type = 'ping' WHERE type = 'payment.captured' AND object_id = '{paid}'",
        subject="{paid}",
        detail="no event payment.captured",
    ),
    Corruption(
        check="event_missing",
        planted="UPDATE events SET type = 'ping' WHERE type = 'payment.success' AND object_id = '{paid}'",
        subject="{paid}",
        detail="no event payment.success",
    ),
    Corruption(
        check="event_missing",
        planted="UPDATE events SET type = 'ping' WHERE type = 'payment.late_success' AND object_id = '{authorized}'",
        subject="{authorized}",
        detail="no event payment.success",
    ),
    Corruption(
        check="event_missing",
        planted="UPDATE events SET type = 'ping' WHERE type = 'payment.failed' AND object_id = '{failed}'",
        subject="{failed}",
        detail="no event payment.failed",
    ),
    Corruption(
        check="event_missing",
        planted="UPDATE events SET type = 'ping' WHERE type = 'payment.cancelled' AND object_id = '{cancelled}'",
        subject="{cancelled}",
        detail="no event payment.cancelled",
    ),
    Corruption(
        check="event_missing",
        planted="UPDATE events SET type = 'ping' WHERE type = 'payment.processing' AND object_id = '{taken}'",
        subject="{taken}",
        detail="no event payment.processing",
    ),
    Corruption(
        check="event_missing",
        planted="UPDATE events SET type = 'ping' WHERE type = 'refund.processed' AND object_id = '{processed}'",
        subject="{processed}",
        detail="no event refund.processed",
    ),
    Corruption(
        check="event_missing",
        planted="UPDATE events SET type = 'ping' WHERE type = 'refund.created' AND object_id = '{pending}'",
        subject="{pending}",
        detail="no event refund.created",
    ),
    Corruption(
        check="event_missing",
        planted="UPDATE events SET type = 'ping' WHERE type = 'order.paid' AND object_id = '{paid_order}'",
        subject="{paid_order}",
        detail="no event order.paid",
    ),
    Corruption(
        check="event_sequence_gap",
        planted="""
            UPDATE events SET sequence = {last} + 1 WHERE sequence = {last};
            UPDATE event_sequences SET last = {last} + 1
        """,
        subject=MERCHANT,
        detail="test, {last} is missing",
    ),
    Corruption(
        check="event_sequence_gap",
        planted="""
            DROP INDEX events_sequence;
            UPDATE events SET sequence = sequence + 3;
            UPDATE event_sequences SET last = {last} + 3
        """,
        subject=MERCHANT,
        detail="test, 1 to 3 are missing",
        seen_in_window=False,  # A window begins with the first number in it.
    ),
    Corruption(
        check="event_sequence_gap",
        planted="""
            DROP INDEX events_sequence;
            UPDATE events SET sequence = {last} - 1 WHERE sequence = {last};
            UPDATE event_sequences SET last = {last} - 1
        """,
        subject=MERCHANT,
        detail="is given twice",
    ),
    Corruption(
        check="event_sequence_gap",
        planted="UPDATE event_sequences SET last = last + 1",
        subject=MERCHANT,
        detail="test, the last number is {last}, but the counter says",
    ),
    Corruption(
        check="event_sequence_gap",
        planted="""
            UPDATE events SET sequence = NULL, created_at = now() - interval '2 minutes' WHERE sequence = {last};
            UPDATE event_sequences SET last = {last} - 1
        """,
        subject="{last_event}",
        detail="has no number",
    ),
    Corruption(
        check="deliveries_missing",
        planted="DELETE FROM webhook_deliveries WHERE id = '{delivery}'",
        subject="{first_event}",
        detail="was given 1 deliveries, but has 0",
    ),
    Corruption(
        check="deliveries_missing",
        planted="UPDATE events SET fan_out = 0 WHERE id = '{first_event}'",
        subject="{first_event}",
        detail="was given 0 deliveries, but has 1",
    ),
    Corruption(
        check="delivery_unproven",
        planted="DELETE FROM webhook_attempts",
        subject="{delivered}",
        detail="delivered by attempt 1, which is missing",
    ),
    Corruption(
        check="delivery_unproven",
        planted="UPDATE webhook_attempts SET response_status = 503",
        subject="{delivered}",
        detail="delivered by attempt 1, which was answered 503",
    ),
    Corruption(
        check="delivery_unproven",
        planted="UPDATE webhook_attempts SET response_status = NULL",
        subject="{delivered}",
        detail="delivered by attempt 1, which was answered by nothing",
    ),
    Corruption(
        check="delivery_overlooked",
        planted="""
            UPDATE webhook_deliveries SET lane = 1, due_at = now() - interval '2 minutes' WHERE id = '{delivery}'
        """,
        subject="{delivery}",
        detail="but its endpoint is not looked at before something new comes",
    ),
    Corruption(
        check="delivery_overlooked",
        planted="""
            UPDATE webhook_deliveries SET lane = 1, due_at = now() - interval '2 minutes' WHERE id = '{delivery}';
            UPDATE webhook_endpoint_health SET look_at = '2100-01-01T00:00Z'
        """,
        subject="{delivery}",
        detail="but its endpoint is not looked at before 2100-01-01 00:00:00+00",
    ),
    Corruption(
        check="endpoint_health_missing",
        planted="DELETE FROM webhook_endpoint_health",
        subject="{endpoint}",
        detail="enabled, made at",
    ),
    Corruption(
        check="lease_overdue",
        planted="""
            UPDATE payments SET leased_at = now() - interval '2 minutes' WHERE id = '{taken}';
            DELETE FROM workers
        """,
        subject="{taken}",
        detail="held by wrk_live since",
    ),
    Corruption(
        check="lease_overdue",
        planted="""
            UPDATE webhook_deliveries SET worker_id = 'wrk_live', leased_at = now() - interval '2 minutes'
                WHERE id = '{delivery}'
        """,
        subject="{delivery}",
        detail="held by wrk_live since",
    ),
    Corruption(
        check="work_overdue",
        planted="""
            UPDATE payments SET worker_id = NULL, leased_at = NULL, due_at = now() - interval '11 minutes'
                WHERE id = '{taken}'
        """,
        subject="{taken}",
        detail="due since",
    ),
    Corruption(
        check="work_overdue",
        planted="UPDATE webhook_deliveries SET due_at = now() - interval '11 minutes' WHERE id = '{delivery}'",
        subject="{delivery}",
        detail="due since",
    ),
    Corruption(
        check="work_overdue",
        planted="""
            INSERT INTO provider_callbacks (id, provider, event_id, body, due_at, received_at)
                VALUES ('cb_1', 'stripe', 'evt_1', '', now() - interval '11 minutes', now())
        """,
        subject="cb_1",
        detail="due since",
    ),
    Corruption(
        check="card_left_behind",
        planted="UPDATE payment_cards SET payment_id = '{failed}'",
        subject="{failed}",
        detail="its card is kept, though it is failed",
    ),
    Corruption(
        check="order_wrong",
        planted="UPDATE orders SET payment_id = '{failed}' WHERE id = '{paid_order}'",
        subject="{paid_order}",
        detail="paid, but its payment {failed} is not of this order",
    ),
    Corruption(
        check="order_wrong",
        planted="UPDATE orders SET status = 'attempted' WHERE id = '{paid_order}'",
        subject="{paid_order}",
        detail="attempted, but its payment {paid} is success",
    ),
    Corruption(
        check="order_wrong",
        planted="""
            UPDATE orders SET payment_id = '{cancelled}' WHERE id = '{open_order}';
            UPDATE payments SET bound_order_id = '{open_order}' WHERE id = '{cancelled}'
        """,
        subject="{open_order}",
        detail="attempted, but its payment {cancelled} is cancelled",
    ),
    Corruption(
        check="order_wrong",
        planted="UPDATE payments SET bound_order_id = '{paid_order}' WHERE id = '{authorized}'",
        subject="{paid_order}",
        detail="2 successful payments: {authorized}, {paid}",
    ),
    Corruption(
        check="order_wrong",
        planted="UPDATE orders SET amount_minor = 49000 WHERE id = '{open_order}'",
        subject="{open_order}",
        detail="{taken} is for 50000 INR, the order for 49000 INR",
    ),
    Corruption(
        check="order_wrong",
        planted="UPDATE payments SET bound_order_id = 'ord_lost' WHERE id = '{failed}'",
        subject="ord_lost",
        detail="{failed} is for 50000 INR, the order for nothing: it is missing",
    ),
)
