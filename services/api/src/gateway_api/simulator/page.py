"""The bank page: a tester plays the customer's bank. Exists only in test mode, needs no key, and knows no live payment.

Whoever has the payment's id may decide it, as whoever holds the customer's phone may.
"""

import base64
import hashlib
from datetime import datetime
from typing import Final

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway_api.fields import PathId
from gateway_api.routing import StrictRouter
from gateway_api.simulator.service import AtTheBank, BankService
from gateway_common.clock import Clock
from gateway_common.errors import InvalidRequestError
from gateway_common.money import format_amount
from gateway_common.payments.model import Payment
from gateway_common.simulator.model import SimulatedOutcome

DECISIONS: Final = {
    "approve": SimulatedOutcome.APPROVED,
    "decline": SimulatedOutcome.PAYMENT_DECLINED,
    "expire": SimulatedOutcome.EXPIRED,
}
_TEMPLATES: Final = Environment(
    loader=PackageLoader("gateway_api"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STYLE: Final = _TEMPLATES.get_template("bank.css").render()
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_WAITING: Final = ("waiting", "Waiting for you", "The shop asks you to pay.")
_NOT_HERE: Final = ("over", "Not here yet", "The payment has not reached the bank. Load this page again in a moment.")
_TIME_IS_UP: Final = ("over", "Time is up", "The payment was not approved in time.")
_ENDED: Final = {
    SimulatedOutcome.APPROVED: ("good", "Approved", "You may close this page."),
    SimulatedOutcome.EXPIRED: _TIME_IS_UP,
    SimulatedOutcome.WITHDRAWN: ("over", "Taken back", "The shop asks for this payment no longer. Nothing was paid."),
}
_DECLINED: Final = ("bad", "Declined", "Nothing was paid. You may close this page.")


def bank_page(service: BankService, clock: Clock) -> StrictRouter:
    router = StrictRouter(prefix="/test/bank", tags=["test"])

    @router.get("/{payment_id}", include_in_schema=False)
    async def get_bank_page(payment_id: PathId) -> Response:
        return _render(await service.get(payment_id), clock())

    @router.post("/{payment_id}", include_in_schema=False)
    async def decide(request: Request, payment_id: PathId) -> Response:
        # Our own form sends one field and nothing else.
        name, _, decision = (await request.body()).decode("latin-1").partition("=")
        if name != "decision" or decision not in DECISIONS:
            raise InvalidRequestError(f"Send a form with decision: one of {', '.join(DECISIONS)}.", param="decision")
        await service.get(payment_id)
        await service.decide(payment_id, DECISIONS[decision])
        return RedirectResponse(request.url.path, status_code=303)

    return router


def _render(found: AtTheBank, now: datetime) -> Response:
    payment = found.payment
    tone, title, sentence = _state(found, now)
    page = _TEMPLATES.get_template("bank.html").render(
        style=_STYLE,
        tone=tone,
        title=title,
        sentence=sentence,
        amount=format_amount(payment.amount_minor, payment.currency),
        payee=found.payee,
        facts={"Order": payment.order_id, "Method": _method(payment), "Payment": payment.id},
        time_left=_time_left(found, now) if tone == "waiting" else None,
    )
    return HTMLResponse(page, headers=_HEADERS)


def _state(found: AtTheBank, now: datetime) -> tuple[str, str, str]:
    operation = found.operation
    if operation is None:
        return _NOT_HERE
    if operation.is_ready:
        return _ENDED.get(operation.outcome, _DECLINED)
    is_over = operation.expires_at is not None and operation.expires_at <= now
    return _TIME_IS_UP if is_over else _WAITING


def _method(payment: Payment) -> str:
    details = payment.method_details
    match payment.method:
        case "upi":
            return f"UPI {details['flow']}" + (f", {payment.vpa}" if payment.vpa else "")
        case "card":
            return f"Card ending in {details['last4']}"
        case _:
            return f"{payment.method.capitalize()}: {details.get('bank') or details.get('wallet')}"


def _time_left(found: AtTheBank, now: datetime) -> str:
    """How long the tester has: until the customer's time is up, or until the simulator answers by itself."""
    operation = found.operation
    if operation is not None and operation.ready_in_seconds is not None:
        return f"answers by itself in {operation.ready_in_seconds:.0f} s"
    if operation is None or operation.expires_at is None:
        return "no limit"
    minutes, seconds = divmod(max(0, int((operation.expires_at - now).total_seconds())), 60)
    return f"{minutes} min {seconds} s"
