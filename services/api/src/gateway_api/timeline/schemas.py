"""The body of a timeline answer: one model for each kind of entry, told apart by `kind`."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway_common.events.model import EventType
from gateway_common.ledger.model import Account
from gateway_common.payments.model import Operation, PaymentStatus
from gateway_common.timeline.model import EntryKind, WaitingFor
from gateway_common.webhooks.model import DeliveryStatus


class _Told(BaseModel):
    """What every entry says."""

    at: datetime
    summary: str


class EventEntryBody(_Told):
    kind: Literal[EntryKind.EVENT]
    event_id: str
    type: EventType
    object_id: str
    sequence: Annotated[int | None, Field(description="Null for the moment until the event has its number.")]


class ProviderAnswerEntryBody(_Told):
    kind: Literal[EntryKind.PROVIDER_ANSWER]
    provider: str
    operation: Operation
    outcome: Literal["approved", "declined", "expired", "pending", "unknown", "unreachable"]
    code: str | None
    message: str | None
    attempt: int
    refund_id: str | None
    milliseconds: int


class MoneyEntryBody(_Told):
    kind: Literal[EntryKind.LEDGER_ENTRY]
    entry_id: str
    transaction_id: str
    account: Account
    amount: int
    currency: str


class WebhookAttemptEntryBody(_Told):
    kind: Literal[EntryKind.WEBHOOK_ATTEMPT]
    delivery_id: str
    endpoint_id: str
    event_id: str
    number: int
    response_status: int | None
    error: str | None
    milliseconds: int


TimelineEntryBody = Annotated[
    EventEntryBody | ProviderAnswerEntryBody | MoneyEntryBody | WebhookAttemptEntryBody,
    Field(discriminator="kind"),
]


class NextStepBody(BaseModel):
    what: str
    waiting_for: WaitingFor
    at: datetime | None


class WaitingWebhookBody(BaseModel):
    delivery_id: str
    endpoint_id: str
    event_type: EventType
    status: DeliveryStatus
    attempts: int
    what: str
    at: datetime | None


class TimelineBody(BaseModel):
    object: Literal["timeline"]
    payment_id: str
    status: PaymentStatus
    entries: list[TimelineEntryBody]
    has_more: bool
    next: NextStepBody
    webhooks_waiting: list[WaitingWebhookBody]
