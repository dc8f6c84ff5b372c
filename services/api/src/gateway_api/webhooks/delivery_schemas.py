"""The bodies of delivery requests and answers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel

from gateway_api.fields import RequestBody, starting_after
from gateway_common.events.model import EventType
from gateway_common.ids import WEBHOOK_DELIVERY
from gateway_common.webhooks.model import DeliveryStatus
from gateway_common.webhooks.outcome import FailureReason

AfterDelivery = Annotated[str | None, starting_after(WEBHOOK_DELIVERY)]


class PingEndpoint(RequestBody):
    """Nothing: the path says it all."""


class RetryDelivery(RequestBody):
    """Nothing: the path says it all."""


class DeliveryBody(BaseModel):
    id: str
    object: Literal["webhook_delivery"]
    event_id: str
    event_type: EventType
    endpoint_id: str
    url: str
    status: DeliveryStatus
    attempts: int
    due_at: datetime | None
    last_response_status: int | None
    last_error: str | None
    replay_id: str | None
    livemode: bool
    created_at: datetime
    updated_at: datetime


class DeliveryPage(BaseModel):
    object: Literal["list"]
    data: list[DeliveryBody]
    has_more: bool
    next_cursor: str | None


class PhasesBody(BaseModel):
    """Null for a part that was not reached, or not needed: a kept connection needs no look-up."""

    dns_ms: int | None
    connect_ms: int | None
    tls_ms: int | None
    wait_ms: int | None
    """From when the request could be sent to the head of the response."""
    read_ms: int | None


class AttemptBody(BaseModel):
    number: int
    started_at: datetime
    duration_ms: int
    phases: PhasesBody
    request_headers: dict[str, str]
    """As they were sent, but for the values of the merchant's own."""
    response_status: int | None
    response_body: str
    """What was kept of it; what is no UTF-8 is replaced."""
    reason: FailureReason | None
    error: str | None
    delivered: bool


class DeliveryDetailBody(DeliveryBody):
    request_body: str
    attempt_history: list[AttemptBody]
    """The last hundred attempts, newest first."""
