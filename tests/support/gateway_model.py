"""The gateway as its design tells it, in plain dictionaries: what each request is answered, and what is shown after it.

It states the rules anew and imports none of ours, so that a mistake in ours is not repeated here.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.support.gateway_words import (
    DECLINED,
    NOTHING_TO_REFUND,
    REQUEST_LASTS,
    TO_DO,
    UNANSWERED,
    Claim,
    Expected,
    Record,
    Request,
    Shown,
    new_order,
    new_payment,
    new_refund,
    route_of,
    said,
)

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
AMOUNT_MOST: Final = 10**12
AUTHORIZATION_LASTS: Final = timedelta(days=7)
STATE_CONFLICT: Final = (409, "payment_state_conflict")
ORDER_CONFLICT: Final = (409, "order_state_conflict")
INVALID: Final = (422, "validation_failed")


class GatewayModel:
    """One merchant's payments in one mode. `expect` decides, `apply` changes; then a worker's `take` and `conclude`."""

    def __init__(self, fee_basis_points: int) -> None:
        self.now = START
        self.payments: dict[str, Record] = {}
        self.refunds: dict[str, Record] = {}
        self.orders: dict[str, Record] = {}
        self.answers: dict[tuple[str, str], tuple[Request, int, bytes]] = {}
        self.balances: dict[str, dict[str, int]] = defaultdict(
            lambda: {"available": 0, "held_for_refunds": 0, "fees": 0, "with_providers": 0}
        )
        self._fee_basis_points = fee_basis_points

    # The merchant's side.

    def expect(self, request: Request) -> Expected:
        """The answer that the request must get now."""
        if request.body.get("amount", 1) > AMOUNT_MOST:
            return Expected(*INVALID)
        first = self.answers.get((route_of(request), request.key or ""))
        if first is not None:
            earlier, status, answer = first
            if (earlier.path, earlier.body) == (request.path, request.body):
                return Expected(status, kept=answer)
            return Expected(422, "idempotency_key_reuse")
        refused = getattr(self, f"refuse_{request.action}")(request)
        if refused is not None:
            return Expected(*refused)
        return Expected(200 if request.action in {"capture", "cancel"} else 201)

    def apply(self, request: Request, new_id: str) -> Shown:
        """Do what was asked, under the id that the gateway gave it; what is answered."""
        shown: Shown = getattr(self, f"_do_{request.action}")(request, new_id)
        return dict(shown)

    def keep(self, request: Request, status: int, answer: bytes) -> None:
        if request.key is not None:
            self.answers[route_of(request), request.key] = request, status, answer

    def refuse_order(self, request: Request) -> tuple[int, str] | None:
        reference = request.body.get("reference")
        taken = reference is not None and self.find_order(reference) is not None
        return (409, "conflict") if taken else None

    def _do_order(self, request: Request, new_id: str) -> Shown:
        shown = new_order(request, new_id, self.now)
        self.orders[new_id] = Record(shown, [])
        return shown

    def refuse_payment(self, request: Request) -> tuple[int, str] | None:
        body = request.body
        card = body.get("card")
        if card and (card["exp_year"], card["exp_month"]) < (self.now.year, self.now.month):
            return INVALID
        order = self.find_order(body.get("order_id"))
        if order is None:
            return None
        if (body["amount"], body["currency"]) != (order.shown["amount"], order.shown["currency"]):
            return INVALID
        return ORDER_CONFLICT if order.shown["payment_id"] is not None else None

    def _do_payment(self, request: Request, new_id: str) -> Shown:
        shown = new_payment(request, new_id, self.now)
        payment = self.payments[new_id] = Record(shown, [("payment.created", 1)], made_at=self.now)
        order = self.find_order(request.body.get("order_id"))
        if order is not None:
            payment.order_id = order.shown["id"]
            self._change(order, status="attempted", payment_id=new_id, attempts=order.shown["attempts"] + 1)
        return shown

    def refuse_capture(self, request: Request) -> tuple[int, str] | None:
        payment, amount = self.payments[request.target], request.body.get("amount")
        shown = payment.shown
        if shown["captured"]:
            wanted = shown["amount"] if amount is None else amount
            return None if wanted == shown["amount_captured"] else STATE_CONFLICT
        if shown["status"] != "success" or self._is_over(payment):
            return STATE_CONFLICT
        return INVALID if amount is not None and amount > shown["amount"] else None

    def _do_capture(self, request: Request, _: str) -> Shown:
        payment = self.payments[request.target]
        if not payment.shown["captured"]:
            self._capture(payment, request.body.get("amount") or payment.shown["amount"])
        return payment.shown

    def _capture(self, payment: Record, amount: int, **changes: Any) -> None:
        payment.captures += 1
        payment.tries = 0
        self._change(payment, captured=True, capture_status="pending", amount_captured=amount, error=None, **changes)

    def refuse_cancel(self, request: Request) -> tuple[int, str] | None:
        shown = self.payments[request.target].shown
        open_to_it = shown["status"] in {"pending", "cancelled"} or (
            shown["status"] == "success" and not shown["captured"]
        )
        return None if open_to_it else STATE_CONFLICT

    def _do_cancel(self, request: Request, _: str) -> Shown:
        payment = self.payments[request.target]
        if payment.shown["status"] != "cancelled":
            self._give_back(payment, "cancelled")
        return payment.shown

    def _give_back(self, payment: Record, status: str) -> None:
        payment.void = "pending" if payment.shown["status"] == "success" else None
        payment.tries = 0
        self._change(payment, status=status)
        self._tell(payment, f"payment.{status}")
        self.free_order(payment)

    def free_order(self, payment: Record) -> None:
        """Its payment ended without paying it, or was given back: the order takes another."""
        if payment.order_id is not None:
            self._change(self.orders[payment.order_id], status="attempted", payment_id=None)

    def refuse_refund(self, request: Request) -> tuple[int, str] | None:
        payment = self.payments[request.target]
        left = payment.shown["amount_captured"] - payment.reserved
        if not payment.shown["captured"] or left == 0:
            return STATE_CONFLICT
        return INVALID if request.body.get("amount", left) > left else None

    def _do_refund(self, request: Request, new_id: str) -> Shown:
        payment = self.payments[request.target]
        amount = request.body.get("amount", payment.shown["amount_captured"] - payment.reserved)
        shown = new_refund(payment.shown, amount, new_id, self.now)
        self.refunds[new_id] = Record(shown, [("refund.created", 1)])
        payment.reserved += amount
        self._change(payment)
        self._book(payment, available=-amount, held_for_refunds=amount)
        return shown

    # The worker's side.

    def next_step(self, payment: Record) -> str | None:
        """What is to be done next, by a worker and a provider."""
        shown = payment.shown
        if shown["status"] in {"pending", "processing"}:
            return "authorize"
        if payment.void == "pending":
            return "void"
        if shown["status"] != "success":
            return "inquire" if payment.has_news else None
        if shown["capture_status"] == "pending":
            return "capture"
        if self._open_refunds(payment):
            return "refund"
        return None if shown["captured"] else "expire"

    def is_ready(self, payment: Record) -> bool:
        """Whether a worker that looks at the payment now finds something to do."""
        step = self.next_step(payment)
        return not payment.is_held and (self._is_over(payment) if step == "expire" else step is not None)

    def _is_over(self, payment: Record) -> bool:
        return payment.expires_at is not None and self.now >= payment.expires_at

    def take(self, payment_id: str) -> Claim | None:
        """A worker looks at the payment: what it then holds. An authorization that ran out ends without a provider."""
        payment = self.payments[payment_id]
        step = self.next_step(payment)
        if step is None or payment.is_held:
            return None
        if step == "expire":
            if self._is_over(payment):
                self._give_back(payment, "expired")
            return None
        payment.is_held = payment.is_with_provider = True
        payment.lease += 1
        payment.tries += 1
        if payment.shown["status"] == "pending":
            self._change(payment, status="processing")
            self._tell(payment, "payment.processing")
        key, amount, refund_id = f"{payment_id}:{step}", payment.shown["amount"], None
        if step == "void" and payment.expires_at is None:
            key = f"{payment_id}:withdraw"
        if step == "capture":
            key, amount = f"{key}:{payment.captures}", payment.shown["amount_captured"]
        if step == "refund":
            refund = self._open_refunds(payment)[0]
            key, amount, refund_id = refund.shown["id"], refund.shown["amount"], refund.shown["id"]
            if refund.shown["status"] == "pending":
                self._change(refund, status="processing")
        if step == "inquire":
            return Claim(payment_id, step, payment.lease, [("status", f"{payment_id}:authorize", None)])
        known: list[tuple[str, str, int | None]] = [("status", key, None)] if payment.tries > 1 else []
        return Claim(payment_id, step, payment.lease, [*known, (step, key, amount)], refund_id)

    def conclude(self, claim: Claim, answer: str) -> bool:
        """The provider's answer is written, unless another worker holds or has held the payment since."""
        payment = self.payments[claim.payment_id]
        if payment.lease != claim.lease:
            return False
        payment.is_held = False
        if answer in {"approved", "declined"}:
            payment.tries = 0
            getattr(self, f"_{claim.step}_{answer}")(payment, claim)
        elif claim.step == "authorize":
            self._authorize_otherwise(payment, claim, answer)
        elif claim.step == "inquire" and answer == "expired":
            payment.tries = 0
            self._inquire_declined(payment, claim)
        return True

    def _authorize_otherwise(self, payment: Record, claim: Claim, answer: str) -> None:
        """The customer is waited for, or was for too long; or nobody was reached, so nobody was asked."""
        if answer == "unreachable" and len(claim.asked) == 1:
            payment.tries, payment.is_with_provider = 0, False
            self._change(payment)
        elif answer == "expired":
            self._end_unanswered(payment, void=None)
        elif answer in {"pending", "waiting"} and payment.request_ends is not None and self.now >= payment.request_ends:
            self._end_unanswered(payment, void="pending")
        elif answer == "waiting" and payment.request_ends is None and payment.made_at is not None:
            payment.request_ends = payment.made_at + REQUEST_LASTS
            self._change(payment, next_action=TO_DO)

    def _end_unanswered(self, payment: Record, *, void: str | None) -> None:
        payment.void = void
        payment.tries = 0
        self._change(payment, status="expired", error=UNANSWERED, next_action=None)
        self._tell(payment, "payment.expired")
        self.free_order(payment)

    def hear(self, payment: Record) -> None:
        """Its provider called: it is asked about, if something is open or it ended without an authorization."""
        has_ended = payment.shown["status"] in {"failed", "cancelled", "expired"}
        may_be_late = has_ended and payment.is_with_provider and payment.expires_at is None
        if may_be_late and payment.void in {None, "failed"} and not payment.has_news:
            payment.has_news = True
            payment.tries = 0
            self._change(payment)
        if payment.is_with_provider and self.next_step(payment) not in {None, "expire"}:
            # What a worker that lost the payment was told before the call is no answer to it.
            payment.lease += 1

    def drop_leases(self) -> None:
        """Every worker died."""
        for payment in self.payments.values():
            payment.is_held = False

    def _authorize_approved(self, payment: Record, _: Claim) -> None:
        payment.expires_at = self.now + AUTHORIZATION_LASTS
        if payment.shown["capture_method"] == "automatic":
            self._capture(payment, payment.shown["amount"], status="success", next_action=None)
        else:
            self._change(payment, status="success", error=None, next_action=None)
        self._tell(payment, "payment.success")
        if payment.order_id is not None:
            order = self.orders[payment.order_id]
            self._change(order, status="paid")
            self._tell(order, "order.paid")

    def _authorize_declined(self, payment: Record, _: Claim) -> None:
        self._change(payment, status="failed", error=DECLINED, next_action=None)
        self._tell(payment, "payment.failed")
        self.free_order(payment)

    def _capture_approved(self, payment: Record, _: Claim) -> None:
        self._change(payment, capture_status="completed")
        self._tell(payment, "payment.captured")
        amount = payment.shown["amount_captured"]
        # Half a unit is rounded up.
        fee = (2 * amount * self._fee_basis_points + 10_000) // 20_000
        self._book(payment, available=amount - fee, fees=fee, with_providers=amount)

    def _capture_declined(self, payment: Record, _: Claim) -> None:
        self._change(payment, capture_status="failed", captured=False, amount_captured=0, error=DECLINED)
        self._tell(payment, "payment.capture_failed")
        for refund in self._open_refunds(payment):
            self.fail_refund(payment, refund, {"code": "capture_failed", "message": NOTHING_TO_REFUND})

    def _void_approved(self, payment: Record, _: Claim) -> None:
        payment.void = "completed"
        self._change(payment)

    def _void_declined(self, payment: Record, _: Claim) -> None:
        payment.void = "failed"
        # What was never authorized, and can't be taken back: the customer has paid after all?
        payment.has_news = payment.expires_at is None
        self._change(payment, needs_attention=True)
        self._tell(payment, f"payment.{payment.shown['status']}")

    def _inquire_declined(self, payment: Record, _: Claim) -> None:
        payment.has_news = False
        self._change(payment, needs_attention=False)

    def _inquire_approved(self, payment: Record, _: Claim) -> None:
        """Late: kept if its order still waits for a payment, else given back at once."""
        order = self.orders.get(payment.order_id or "")
        is_wanted = order is None or order.shown["payment_id"] is None
        payment.has_news, payment.void = False, None
        payment.expires_at = self.now + AUTHORIZATION_LASTS
        changes = {"status": "success", "needs_attention": False}
        if payment.shown["capture_method"] == "automatic" and is_wanted:
            self._capture(payment, payment.shown["amount"], **changes)
        else:
            self._change(payment, error=None, **changes)
        self._tell(payment, "payment.late_success")
        if not is_wanted:
            payment.void = "pending"
            self._change(payment, status="cancelled")
            self._tell(payment, "payment.cancelled")
        elif order is not None:
            self._change(order, status="paid", payment_id=payment.shown["id"])
            self._tell(order, "order.paid")

    def _refund_approved(self, payment: Record, claim: Claim) -> None:
        refund = self.refunds[claim.refund_id or ""]
        amount = refund.shown["amount"]
        self._change(refund, status="processed")
        self._tell(refund, "refund.processed")
        self._change(payment, amount_refunded=payment.shown["amount_refunded"] + amount)
        self._book(payment, held_for_refunds=-amount, with_providers=-amount)

    def _refund_declined(self, payment: Record, claim: Claim) -> None:
        self._change(payment)
        self.fail_refund(payment, self.refunds[claim.refund_id or ""], DECLINED)

    def fail_refund(self, payment: Record, refund: Record, why: dict[str, str]) -> None:
        """Its amount is the merchant's again."""
        amount = refund.shown["amount"]
        self._change(refund, status="failed", error=why)
        self._tell(refund, "refund.failed")
        payment.reserved -= amount
        self._book(payment, available=amount, held_for_refunds=-amount)

    # What both sides use.

    def find_order(self, name: str | None) -> Record | None:
        """An order by its id or by the merchant's reference."""
        return self.orders.get(name or "") or next(
            (order for order in self.orders.values() if name and order.shown["reference"] == name), None
        )

    def refunds_of(self, payment_id: str) -> list[Record]:
        return [refund for refund in self.refunds.values() if refund.shown["payment_id"] == payment_id]

    def _open_refunds(self, payment: Record) -> list[Record]:
        """Those that wait or run, in the order in which they were asked for."""
        found = self.refunds_of(payment.shown["id"])
        return [refund for refund in found if refund.shown["status"] in {"pending", "processing"}]

    def _change(self, record: Record, **shown: Any) -> None:
        record.shown |= shown
        record.shown["version"] += 1
        record.shown["updated_at"] = said(self.now)

    def _tell(self, record: Record, event_type: str) -> None:
        record.story.append((event_type, record.shown["version"]))

    def _book(self, payment: Record, **amounts: int) -> None:
        balance = self.balances[payment.shown["currency"]]
        for account, amount in amounts.items():
            balance[account] += amount
