"""Drives the real gateway and its model side by side, in whatever order hypothesis thinks of, and compares them."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.support.driven_gateway import DrivenGateway
from tests.support.gateway_model import START, GatewayModel
from tests.support.gateway_words import Claim, Record, Request, Shown

from gateway_processor.claims import Claimed

FEE_BASIS_POINTS: Final = 235
PAYMENTS_MOST: Final = 7
"""A few, so that most steps are about what came before."""
PICKS = st.integers(min_value=0, max_value=11)
AMOUNTS = st.sampled_from([1, 999, 50_000, 10**12])
CURRENCIES = st.sampled_from(["INR", "INR", "JPY"])
SHARES = st.sampled_from(["none", "one", "half", "all", "over"])
KEYS = st.sampled_from(["none", "none", "new", "new", "new", "earlier"])
ANSWERS = st.sampled_from(
    ["declined", "approved", "unknown", "pending", "approved", "waiting", "waiting", "expired", "unreachable"]
)
METHODS = st.sampled_from(
    [
        {"method": "upi", "vpa": "buyer@upi"},
        {"method": "upi", "upi": {"flow": "intent"}},
        {"method": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2099, "cvc": "123"}},
        # Runs out in the month in which the machine's time begins.
        {"method": "card", "card": {"number": "378282246310005", "exp_month": 1, "exp_year": 2026, "cvc": "1234"}},
        {"method": "netbanking", "bank": "hdfc"},
        {"method": "wallet", "wallet": "paytm"},
    ]
)


class GatewayMachine(RuleBasedStateMachine):
    """A merchant who asks for anything, workers who may die, and a provider who may say anything."""

    def __init__(self, gateway: DrivenGateway, model: Callable[[int], GatewayModel], tally: Counter[str]) -> None:
        super().__init__()
        self.gateway = gateway
        self.model = model(FEE_BASIS_POINTS)
        self.tally = tally
        self.sent: list[Request] = []
        self.claims: list[tuple[Claim, Claimed]] = []
        self.agrees = True
        self.last_step = ""
        gateway.clock.now = START
        gateway.start_merchant(FEE_BASIS_POINTS)
        tally["runs"] += 1

    # The merchant.

    @initialize(amount=AMOUNTS, reference=st.sampled_from([None, "first"]), method=METHODS, automatic=st.booleans())
    def begin(self, *, amount: int, reference: str | None, method: Shown, automatic: bool) -> None:
        self.make_order(amount=amount, currency="INR", reference=reference, key="new")
        self.pay_order(pick=0, method=method, automatic=automatic, off_by=0, key="new")

    @precondition(lambda self: len(self.model.orders) < PAYMENTS_MOST)
    @rule(amount=AMOUNTS, currency=CURRENCIES, reference=st.sampled_from([None, "first", "second"]), key=KEYS)
    def make_order(self, *, amount: int, currency: str, reference: str | None, key: str) -> None:
        body = {"amount": amount, "currency": currency} | ({"reference": reference} if reference else {})
        self.send(Request("order", body, key=self.choose_key(key)))

    @precondition(lambda self: len(self.model.payments) < PAYMENTS_MOST)
    @rule(
        amount=AMOUNTS, currency=CURRENCIES, method=METHODS, automatic=st.booleans(), name=st.none() | st.just("first"),
        key=KEYS,
    )  # fmt: skip
    def pay(self, *, amount: int, currency: str, method: Shown, automatic: bool, name: str | None, key: str) -> None:
        body = {"amount": amount, "currency": currency} | method
        self.send(Request("payment", body | terms(automatic, name), key=self.choose_key(key)))

    @precondition(lambda self: self.model.orders)
    @rule(pick=PICKS, method=METHODS, automatic=st.booleans(), off_by=st.sampled_from([0, 0, 0, 1]), key=KEYS)
    def pay_order(self, *, pick: int, method: Shown, automatic: bool, off_by: int, key: str) -> None:
        order = chosen(self.model.orders, pick).shown
        body = {"amount": order["amount"] - off_by or 2, "currency": order["currency"]} | method
        name = order["reference"] if pick % 2 and order["reference"] else order["id"]
        self.send(Request("payment", body | terms(automatic, name), key=self.choose_key(key)))

    @precondition(lambda self: self.any_is(lambda payment: payment.shown["status"] == "success"))
    @rule(pick=PICKS, share=SHARES, key=KEYS)
    def capture(self, *, pick: int, share: str, key: str) -> None:
        payment = self.likely(pick, lambda payment: payment.shown["status"] == "success").shown
        body = amount_of(share, payment["amount"])
        self.send(Request("capture", body, payment["id"], self.choose_key(key)))

    @precondition(lambda self: self.model.payments)
    @rule(pick=PICKS, key=KEYS)
    def cancel(self, *, pick: int, key: str) -> None:
        payment = chosen(self.model.payments, pick).shown
        self.send(Request("cancel", {}, payment["id"], self.choose_key(key)))

    @precondition(lambda self: self.any_is(lambda payment: payment.shown["captured"]))
    @rule(pick=PICKS, share=SHARES, key=KEYS)
    def refund(self, *, pick: int, share: str, key: str) -> None:
        payment = self.likely(pick, lambda payment: payment.shown["captured"])
        body = amount_of(share, payment.shown["amount_captured"] - payment.reserved)
        self.send(Request("refund", body, payment.shown["id"], self.choose_key(key)))

    @precondition(lambda self: self.sent)
    @rule(back=st.sampled_from([1, 1, 1, 2, 5, 20]), changed=st.booleans())
    def repeat(self, *, back: int, changed: bool) -> None:
        """Send an earlier request again, or another one under its key."""
        request = self.sent[-min(back, len(self.sent))]
        body = request.body | ({"amount": 77} if changed and request.action != "cancel" else {})
        self.send(Request(request.action, body, request.target, request.key))

    # Workers and provider.

    @precondition(lambda self: self.any_is(self.model.is_ready))
    @rule(pick=PICKS, answer=ANSWERS, is_known=st.booleans())
    def work(self, *, pick: int, answer: str, is_known: bool) -> None:
        """A worker does what is next for the payment, in one go."""
        self.work_at(self.next_busy(pick), answer, is_known=is_known)

    @precondition(lambda self: self.any_is(self.model.is_ready))
    @rule(pick=PICKS)
    def work_well(self, *, pick: int) -> None:
        """So that more than half of all payments come far."""
        self.work(pick=pick, answer="approved", is_known=False)

    @precondition(lambda self: self.any_is(self.model.is_ready))
    @rule(pick=PICKS, times=st.integers(min_value=1, max_value=4), known=st.booleans())
    def work_on(self, *, pick: int, times: int, known: bool) -> None:
        for turn in range(times):
            self.work(pick=pick + turn, answer="approved", is_known=known)

    @precondition(lambda self: self.any_is(self.is_refusable))
    @rule(pick=PICKS)
    def refuse(self, *, pick: int) -> None:
        """The provider says no to what it had authorized."""
        waiting = [name for name, payment in self.model.payments.items() if self.is_refusable(payment)]
        self.work_at(waiting[pick % len(waiting)], "declined", is_known=False)

    @precondition(lambda self: self.any_is(self.model.is_ready))
    @rule(pick=PICKS)
    def start_work(self, *, pick: int) -> None:
        """A worker takes the payment, and much may happen before the provider answers."""
        taken = self.take(self.next_busy(pick))
        if taken:
            self.claims.append(taken)
        self.end_step("take" if taken else "take, none to do")

    @precondition(lambda self: self.claims)
    @rule(pick=PICKS, answer=ANSWERS, is_known=st.booleans())
    def end_work(self, *, pick: int, answer: str, is_known: bool) -> None:
        recorded = self.conclude(*self.claims.pop(pick % len(self.claims)), answer, is_known=is_known)
        self.end_step("conclude" if recorded else "conclude, too late")

    @precondition(lambda self: self.any_is(self.is_askable))
    @rule(pick=PICKS, answer=st.sampled_from(["expired", "unreachable", "unknown", "declined"]))
    def authorize_badly(self, *, pick: int, answer: str) -> None:
        self.work_at(self.next_askable(pick), answer, is_known=False)

    @precondition(lambda self: self.any_is(self.is_askable))
    @rule(pick=PICKS, taken_back=st.booleans(), answer=ANSWERS)
    def go_unanswered(self, *, pick: int, taken_back: bool, answer: str) -> None:
        """The customer lets a request run out; if its provider does not take it back, it is asked why."""
        payment_id = self.next_askable(pick)
        payment = self.model.payments[payment_id]
        self.work_at(payment_id, "waiting", is_known=True)
        if payment.request_ends is not None:
            left = payment.request_ends - self.model.now
            self.end_step("time", seconds=max(left.total_seconds(), 1))
            self.work_at(payment_id, "pending", is_known=True)
            self.work_at(payment_id, "approved" if taken_back else "declined", is_known=False)
            self.work_at(payment_id, answer, is_known=True)

    @precondition(lambda self: self.any_is(lambda payment: not payment.is_held))
    @rule(pick=PICKS, answer=ANSWERS)
    def be_called(self, *, pick: int, answer: str) -> None:
        """The provider calls about a payment that no worker holds, most likely one that failed, and may be asked."""
        free = {name: payment for name, payment in self.model.payments.items() if not payment.is_held}
        ended = {name: payment for name, payment in free.items() if payment.shown["status"] in {"failed", "expired"}}
        payment = chosen(ended if ended and pick % 3 else free, pick)
        self.agrees = False
        self.gateway.call_back(payment.shown["id"])
        self.model.hear(payment)
        self.end_step("call back")
        if self.model.next_step(payment) == "inquire":
            self.work_at(payment.shown["id"], answer, is_known=True)

    @precondition(lambda self: self.any_is(lambda payment: payment.is_held))
    @rule()
    def workers_die(self) -> None:
        """Their leases are free for others; what they may still write in their last breath stays in `claims`."""
        self.gateway.drop_leases()
        self.model.drop_leases()
        self.end_step("workers die")

    # Time.

    @precondition(lambda self: self.last_step != "time")
    @rule(pick=PICKS, hours=st.sampled_from([1, 24, 6 * 24, 8 * 24]), seconds=st.sampled_from([None, -1, 0]))
    def let_time_pass(self, *, pick: int, hours: int, seconds: int | None) -> None:
        """Some hours; or to the moment when an authorization or a request runs out, or to just before it."""
        payments = self.model.payments.values()
        ends = [end for payment in payments for end in (payment.expires_at, payment.request_ends) if end]
        wait = hours * 3600.0
        if ends and seconds is not None:
            wait = max((ends[pick % len(ends)] - self.model.now).total_seconds() + seconds, 0)
        self.end_step("time", seconds=wait)

    # Reading.

    @precondition(lambda self: len(self.model.payments) > 1)
    @rule(status=st.sampled_from([None, "pending", "success", "failed", "expired"]), name=st.none() | PICKS)
    def list_all(self, *, status: str | None, name: int | None) -> None:
        """All pages, newest first."""
        order = chosen(self.model.orders, name) if name is not None and self.model.orders else None
        wanted = [
            payment.shown
            for payment in reversed(self.model.payments.values())
            if status in {None, payment.shown["status"]} and (order is None or payment.order_id == order.shown["id"])
        ]
        filters = (f"&status={status}" if status else "") + (f"&order_id={order.shown['id']}" if order else "")
        assert self.pages(f"/payments?limit=3{filters}") == wanted
        for noun, records in (("refunds", self.model.refunds), ("orders", self.model.orders)):
            assert self.pages(f"/{noun}?limit=2") == [record.shown for record in reversed(records.values())]
        self.end_step("list")

    def pages(self, path: str) -> list[Any]:
        (page,) = self.gateway.read(path)
        found: list[Any] = page["data"]
        while page["has_more"]:
            (page,) = self.gateway.read(f"{path}&starting_after={page['next_cursor']}")
            found += page["data"]
        return found

    # What the rules are made of.

    def any_is(self, fits: Callable[[Record], bool]) -> bool:
        return any(map(fits, self.model.payments.values()))

    def is_refusable(self, payment: Record) -> bool:
        return self.model.is_ready(payment) and payment.shown["status"] not in {"pending", "processing"}

    def next_askable(self, pick: int) -> str:
        askable = [name for name, payment in self.model.payments.items() if self.is_askable(payment)]
        return askable[pick % len(askable)]

    def is_askable(self, payment: Record) -> bool:
        return payment.shown["status"] in {"pending", "processing"} and not payment.is_held

    def likely(self, pick: int, fits: Callable[[Record], bool]) -> Record:
        """Mostly a payment that fits, so that not all requests are refused."""
        fitting = {name: payment for name, payment in self.model.payments.items() if fits(payment)}
        return chosen(fitting if fitting and pick % 4 else self.model.payments, pick)

    def choose_key(self, kind: str) -> str | None:
        earlier = [request.key for request in self.sent]
        if kind == "earlier" and earlier:
            return earlier[len(self.model.payments) % len(earlier)]
        return None if kind == "none" else f"idempotency-{len(earlier)}"

    def send(self, request: Request) -> None:
        """Ask the gateway, and hold the answer against the model's."""
        self.agrees = False
        expected = self.model.expect(request)
        response = self.gateway.post(request)
        answer = response.json()
        found = (response.status_code, answer["error"]["code"] if response.status_code >= 400 else None)
        assert found == (expected.status, expected.code), f"{request}: {response.text}"
        assert ("idempotent-replayed" in response.headers) == (expected.kept is not None)
        if expected.kept is not None:
            assert response.content == expected.kept
        elif expected.status < 300:
            shown = self.model.apply(request, answer["id"])
            assert answer == shown, difference(answer, shown)
            self.model.keep(request, expected.status, response.content)
        if request.key is not None and request not in self.sent:
            self.sent.append(request)
        outcome = "replayed" if expected.kept is not None else expected.code or expected.status
        self.end_step(f"{request.action} {outcome}")

    def next_busy(self, pick: int) -> str:
        payment_id: str = self.likely(pick, self.model.is_ready).shown["id"]
        return payment_id

    def work_at(self, payment_id: str, answer: str, *, is_known: bool) -> None:
        taken = self.take(payment_id)
        if taken:
            self.conclude(*taken, answer, is_known=is_known)
        self.end_step(f"work {taken[0].step} {answer}" if taken else "work, none to do")

    def take(self, payment_id: str) -> tuple[Claim, Claimed] | None:
        self.agrees = False
        expected, found = self.model.take(payment_id), self.gateway.take(payment_id)
        assert (found and found.operation) == (expected and expected.step)
        return (expected, found) if expected and found else None

    def conclude(self, claim: Claim, claimed: Claimed, answer: str, *, is_known: bool) -> bool:
        self.agrees = False
        provider = self.gateway.provider
        # Who is asked what became of something knows of it.
        is_known = is_known or claim.step == "inquire"
        provider.asked.clear()
        recorded = self.gateway.conclude(claimed, answer, is_known=is_known)
        asked = claim.asked[:1] if is_known else claim.asked
        assert provider.asked == asked
        assert recorded == self.model.conclude(claim, answer)
        return recorded

    def end_step(self, what: str, *, seconds: float = 1) -> None:
        """Hold all that is shown against the model, and let a second pass. A long wait is not counted on top."""
        self.compare()
        self.last_step = what
        self.tally[what] += 1
        self.tally["steps"] += 1
        self.model.now += timedelta(seconds=seconds)
        self.gateway.clock.now = self.model.now
        self.agrees = True

    def compare(self) -> None:
        """All that the API shows of the merchant's money is what the model shows; who is due has something to do."""
        model = self.model
        payments, refunds, orders, balance = self.gateway.read(
            "/payments?limit=100", "/refunds?limit=100", "/orders?limit=100", "/balance"
        )
        for page, records in ((payments, model.payments), (refunds, model.refunds), (orders, model.orders)):
            for found, record in zip(page["data"], reversed(records.values()), strict=True):
                assert found == record.shown, difference(found, record.shown)
        assert balance["data"] == [{"currency": name} | model.balances[name] for name in sorted(model.balances)]
        busy = {name for name, payment in model.payments.items() if model.next_step(payment)}
        assert self.gateway.due_payments() == busy

    def teardown(self) -> None:
        """In the end: each object by its own address, the events in order, and the audit."""
        if not self.agrees:
            return
        model = self.model
        for payment_id, payment in model.payments.items():
            shown, refunds, _ = self.gateway.read(
                f"/payments/{payment_id}",
                f"/payments/{payment_id}/refunds?limit=100",
                f"/payments/{payment_id}/timeline",
            )
            assert shown == payment.shown
            assert refunds["data"] == [refund.shown for refund in reversed(model.refunds_of(payment_id))]
        for order in model.orders.values():
            names = [order.shown["id"], order.shown["reference"] or order.shown["id"]]
            assert self.gateway.read(*(f"/orders/{name}" for name in names)) == [order.shown] * 2
        self.compare_events()
        assert self.gateway.audit() == []

    def compare_events(self) -> None:
        self.gateway.number_events()
        events = self.gateway.read_all_events()
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
        told: dict[str, list[tuple[str, int]]] = {}
        for event in events:
            (snapshot,) = event["data"].values()
            told.setdefault(snapshot["id"], []).append((event["type"], snapshot["version"]))
        records = {**self.model.payments, **self.model.refunds, **self.model.orders}
        assert told == {name: record.story for name, record in records.items() if record.story}


def chosen(records: Mapping[str, Record], pick: int) -> Record:
    return list(records.values())[pick % len(records)]


def terms(automatic: bool, name: str | None) -> Shown:  # noqa: FBT001
    chosen_terms = {"capture_method": "automatic"} if automatic else {}
    return chosen_terms | ({"order_id": name} if name else {})


def amount_of(share: str, whole: int) -> Shown:
    """A body that asks for that share of an amount."""
    amounts = {"one": 1, "half": max(whole // 2, 1), "all": max(whole, 1), "over": whole + 1}
    return {} if share == "none" else {"amount": amounts[share]}


def difference(found: Shown, expected: Shown) -> str:
    return ", ".join(
        f"{name}: {found.get(name)!r} instead of {expected.get(name)!r}"
        for name in sorted({*found, *expected})
        if found.get(name) != expected.get(name)
    )
