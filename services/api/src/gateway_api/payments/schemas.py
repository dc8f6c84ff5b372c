"""The bodies of payment requests and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Discriminator, Field, SecretStr, Tag

from gateway_api.fields import Amount, Currency, Metadata, MethodName, Reference, RequestBody, Text, Vpa, starting_after
from gateway_api.payments.card import CardBody
from gateway_common.ids import PAYMENT
from gateway_common.payments.model import CaptureMethod, CaptureStatus, PaymentMethod, PaymentStatus

AfterPayment = Annotated[str | None, starting_after(PAYMENT)]


class _NewPayment(RequestBody):
    """What every payment says, whatever it is paid with."""

    method: str
    amount: Amount
    currency: Currency
    order_id: Reference | None = None
    capture_method: CaptureMethod = CaptureMethod.MANUAL
    description: Text | None = None
    metadata: Metadata = Field(default_factory=dict)


class UpiCollect(RequestBody):
    flow: Literal["collect"] = "collect"


def _check_flow(flow: Any) -> Any:
    """Names all flows: whoever misspelt one may have meant `collect`, whose body is another one."""
    if flow not in ("intent", "qr"):
        raise ValueError("must be 'collect', 'intent' or 'qr'")
    return flow


class UpiFlow(RequestBody):
    flow: Annotated[Literal["intent", "qr"], BeforeValidator(_check_flow)]


class CreateUpiCollectPayment(_NewPayment):
    """UPI by a request to the customer's address."""

    method: Literal["upi"]
    vpa: Vpa
    upi: UpiCollect = UpiCollect()


class CreateUpiFlowPayment(_NewPayment):
    """UPI from the customer's app, by a link or a QR code."""

    method: Literal["upi"]
    upi: UpiFlow


class CreateCardPayment(_NewPayment):
    method: Literal["card"]
    card: CardBody

    def content(self) -> bytes:
        """With the number and the CVC, which a dump leaves out: another card is another request."""
        return b"\n".join([super().content(), *(secret.get_secret_value().encode() for secret in self._secrets)])

    @property
    def _secrets(self) -> tuple[SecretStr, SecretStr]:
        return self.card.number, self.card.cvc


class CreateNetbankingPayment(_NewPayment):
    method: Literal["netbanking"]
    bank: MethodName


class CreateWalletPayment(_NewPayment):
    method: Literal["wallet"]
    wallet: MethodName


def _kind(body: Any) -> str | None:
    """Which of the bodies this is. Tags are in angle brackets, so that they can be told from fields in an error."""
    if not isinstance(body, dict):
        return None
    method = body.get("method")
    if method == PaymentMethod.UPI:
        upi = body.get("upi")
        flow = upi.get("flow", "collect") if isinstance(upi, dict) else "collect"
        return "<upi collect>" if flow == "collect" else "<upi flow>"
    return f"<{method}>" if isinstance(method, str) and method in set(PaymentMethod) else None


CreatePayment = Annotated[
    Annotated[CreateUpiCollectPayment, Tag("<upi collect>")]
    | Annotated[CreateUpiFlowPayment, Tag("<upi flow>")]
    | Annotated[CreateCardPayment, Tag("<card>")]
    | Annotated[CreateNetbankingPayment, Tag("<netbanking>")]
    | Annotated[CreateWalletPayment, Tag("<wallet>")],
    Discriminator(
        _kind,
        custom_error_type="payment_method",
        custom_error_message="method: must be 'upi', 'card', 'netbanking' or 'wallet'.",
    ),
]


class CapturePayment(RequestBody):
    amount: Amount | None = None


class CancelPayment(RequestBody):
    """Nothing needs to be said; `{}` or no body at all."""


class ErrorDetail(BaseModel):
    code: str
    message: str


class Upi(BaseModel):
    flow: Literal["collect", "intent", "qr"]


class ShownCard(BaseModel):
    brand: str
    last4: str
    exp_month: int
    exp_year: int


class NextAction(BaseModel):
    """What the customer is to do while the payment is processing: open the link in a UPI app, or scan the code."""

    type: Literal["upi_intent", "upi_qr"]
    upi_link: str
    qr_svg: str
    """The link as a QR code: an SVG, dark on light, without a size of its own; for a page or an `<img>`."""
    expires_at: datetime
    simulator_url: str | None = None
    """Only of the simulator: the page where a tester plays the customer's bank."""


class PaymentBody(BaseModel):
    id: str
    object: Literal["payment"]
    order_id: str | None
    amount: int
    currency: str
    method: PaymentMethod
    vpa: str | None
    upi: Upi | None
    card: ShownCard | None
    bank: str | None
    wallet: str | None
    status: PaymentStatus
    capture_method: CaptureMethod
    capture_status: CaptureStatus | None
    captured: bool
    amount_captured: int
    amount_refunded: int
    error: ErrorDetail | None
    next_action: NextAction | None
    needs_attention: bool
    description: str | None
    metadata: dict[str, str]
    livemode: bool
    version: int
    created_at: datetime
    updated_at: datetime


class PaymentPage(BaseModel):
    object: Literal["list"]
    data: list[PaymentBody]
    has_more: bool
    next_cursor: str | None
