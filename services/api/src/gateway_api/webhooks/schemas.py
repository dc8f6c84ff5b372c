"""The bodies of webhook endpoint requests and answers."""

import re
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field

from gateway_api.fields import RequestBody, Text, starting_after
from gateway_common.events.model import EventType
from gateway_common.ids import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT
from gateway_common.webhooks.model import DeliveryStatus, DisabledReason, EndpointStatus

_URL_CHARACTERS_MOST = 2_000
_PORT = "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
# For the OpenAPI document. Numeric IPv6 addresses, which no pattern of a readable length fits, are taken too.
_URL = rf"^[Hh][Tt][Tt][Pp][Ss]?://[A-Za-z0-9._\-]+{_PORT}([/?][!\"$-~]*)?$"


def _check_url(value: str) -> str:
    """Refuse what can't be dialled. Where the name leads is judged when it is dialled, not here."""
    try:
        parts = urlsplit(value)
        has_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_address = False
    if not has_address or parts.scheme not in {"http", "https"} or not value.isascii() or not value.isprintable():
        raise ValueError("must be an http:// or https:// address in ASCII")
    if " " in value or parts.username is not None or parts.fragment:
        raise ValueError("must hold no space, no user name and no #fragment")
    if re.fullmatch(_URL, value) is None and ":" not in (parts.hostname or ""):
        raise ValueError("must be an http:// or https:// address in ASCII")
    return value


AfterEndpoint = Annotated[str | None, starting_after(WEBHOOK_ENDPOINT)]
AfterDelivery = Annotated[str | None, starting_after(WEBHOOK_DELIVERY)]


class CreateEndpoint(RequestBody):
    url: Annotated[
        str, Field(max_length=_URL_CHARACTERS_MOST, json_schema_extra={"pattern": _URL}), AfterValidator(_check_url)
    ]
    event_types: Annotated[list[EventType], Field(max_length=len(EventType))] = Field(default_factory=list)
    """Empty means every type, also types to come."""
    description: Text | None = None


class EndpointBody(BaseModel):
    id: str
    object: Literal["webhook_endpoint"]
    url: str
    description: str | None
    event_types: list[EventType]
    status: EndpointStatus
    disabled_reason: DisabledReason | None
    timeout_seconds: int | None
    max_in_flight: int | None
    rate_limit_per_second: int | None
    header_names: list[str]
    retry_tail: bool
    auto_recover: bool
    old_secret_expires_at: datetime | None
    livemode: bool
    version: int
    created_at: datetime
    updated_at: datetime


class CreatedEndpointBody(EndpointBody):
    secret: str


class EndpointPage(BaseModel):
    object: Literal["list"]
    data: list[EndpointBody]
    has_more: bool
    next_cursor: str | None


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
    livemode: bool
    created_at: datetime
    updated_at: datetime


class DeliveryPage(BaseModel):
    object: Literal["list"]
    data: list[DeliveryBody]
    has_more: bool
    next_cursor: str | None
