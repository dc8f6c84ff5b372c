"""The words of the gateway's model in tests: requests and what they are answered, and objects as the API shows them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

Shown = dict[str, Any]
DECLINED: Final = {"code": "payment_declined", "message": "The bank said no."}
UNANSWERED: Final = {"code": "request_expired", "message": "The customer did not approve the payment in time."}
TO_DO: Final = {"type": "upi_qr", "upi_link": "upi://pay?pa=shop@upi"}
REQUEST_LASTS: Final = timedelta(minutes=5)
NOTHING_TO_REFUND: Final = "The payment's capture failed, so there is nothing to refund."
_CARDS: Final = {"4242": "visa", "4444": "mastercard", "0005": "amex"}


@dataclass(frozen=True)
class Request:
    """A POST of the merchant: what it does, to which payment, and under which Idempotency-Key."""

    action: str
    body: dict[str, Any] = field(default_factory=dict)
    target: str = ""
    key: str | None = None

    @property
    def path(self) -> str:
        paths = {"order": "/orders", "payment": "/payments", "refund": f"/payments/{self.target}/refunds"}
        return "/api/v1" + paths.get(self.action, f"/payments/{self.target}/{self.action}")


@dataclass(frozen=True)
class Expected:
    """What a request must be answered; `kept` is the very answer it had before."""

    status: int
    code: str | None = None
    kept: bytes | None = None


@dataclass
class Claim:
    """What a worker holds: one step of a payment, and which of the payment's leases this is."""

    payment_id: str
    step: str
    lease: int
    asked: list[tuple[str, str, int | None]]
    """What the provider is to be asked: call, key, amount."""
    refund_id: str | None = None


@dataclass
class Record:
    """A payment, refund or order as the API shows it, and what it does not show."""

    shown: Shown
    story: list[tuple[str, int]]
    """Each event's type, and the version it shows."""
    card_expires: tuple[int, int] | None = None
    order_id: str | None = None
    reserved: int = 0
    captures: int = 0
    void: str | None = None
    has_news: bool = False
    is_with_provider: bool = False
    expires_at: datetime | None = None
    made_at: datetime | None = None
    request_ends: datetime | None = None
    lease: int = 0
    is_held: bool = False
    tries: int = 0


def new_order(request: Request, new_id: str, now: datetime) -> Shown:
    return {
        "id": new_id,
        "object": "order",
        "reference": request.body.get("reference"),
        "amount": request.body["amount"],
        "currency": request.body["currency"],
        "status": "created",
        "payment_id": None,
        "attempts": 0,
        **_common(now),
    }


def new_payment(request: Request, new_id: str, now: datetime) -> Shown:
    body = request.body
    return {
        "id": new_id,
        "object": "payment",
        "order_id": body.get("order_id"),
        "amount": body["amount"],
        "currency": body["currency"],
        "method": body["method"],
        **_shown_method(body),
        "status": "pending",
        "capture_method": body.get("capture_method", "manual"),
        "capture_status": None,
        "captured": False,
        "amount_captured": 0,
        "amount_refunded": 0,
        "error": None,
        "next_action": None,
        "needs_attention": False,
        **_common(now),
    }


def new_refund(payment: Shown, amount: int, new_id: str, now: datetime) -> Shown:
    shown = {
        "id": new_id,
        "object": "refund",
        "payment_id": payment["id"],
        "amount": amount,
        "currency": payment["currency"],
        "reason": None,
        "status": "pending",
        "error": None,
        **_common(now),
    }
    del shown["description"]
    return shown


def _common(now: datetime) -> Shown:
    moment = said(now)
    shown: Shown = {"description": None, "metadata": {}, "livemode": False, "version": 1}
    return shown | {"created_at": moment, "updated_at": moment}


def route_of(request: Request) -> str:
    """Keys are kept per route, whichever payment it names."""
    return request.path.replace(request.target, "{payment_id}") if request.target else request.path


def _shown_method(body: dict[str, Any]) -> Shown:
    """What a payment shows of how it is paid."""
    method, card = body["method"], body.get("card")
    shown_card = None
    if card is not None:
        last4 = card["number"][-4:]
        shown_card = {"brand": _CARDS[last4], "last4": last4, "exp_month": card["exp_month"]}
        shown_card["exp_year"] = card["exp_year"]
    return {
        "vpa": body.get("vpa"),
        "upi": {"flow": body.get("upi", {}).get("flow", "collect")} if method == "upi" else None,
        "card": shown_card,
        "bank": body.get("bank"),
        "wallet": body.get("wallet"),
    }


def said(moment: datetime) -> str:
    """A time as the API writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
