"""The bodies of webhook endpoint requests and answers. Those of their secrets, replays and deliveries stand apart."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt

from gateway_api.fields import RequestBody, Text, starting_after
from gateway_api.webhooks.headers import OwnHeaders
from gateway_common.events.model import EventType
from gateway_common.ids import WEBHOOK_ENDPOINT
from gateway_common.webhooks.model import DisabledReason, EndpointStatus

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
_Url = Annotated[
    str, Field(max_length=_URL_CHARACTERS_MOST, json_schema_extra={"pattern": _URL}), AfterValidator(_check_url)
]
_EventTypes = Annotated[list[EventType], Field(max_length=len(EventType))]


class _Wishes(RequestBody):
    """What an endpoint may ask for. Null in a limit means the gateway's own."""

    description: Text | None = None
    event_types: _EventTypes = Field(default_factory=list)
    """Empty means every type, also types to come."""
    timeout_seconds: Annotated[StrictInt, Field(ge=5, le=30)] | None = None
    """From DNS to the last byte of the answer."""
    max_in_flight: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    rate_limit_per_second: Annotated[StrictInt, Field(ge=1, le=1_000)] | None = None
    headers: OwnHeaders | None = Field(default=None, repr=False)
    """Sent with every webhook, and never shown again. Of those that a request says by itself none can be set."""
    retry_tail: StrictBool = False
    """Whether retries go on to about three days."""
    auto_recover: StrictBool = True
    """Whether exhausted deliveries are tried again when the endpoint answers again."""


class CreateEndpoint(_Wishes):
    url: _Url

    def values(self) -> dict[str, Any]:
        """The endpoint's fields, but for its headers, which are sealed first."""
        return self.model_dump(exclude={"headers"}, mode="json")


class UpdateEndpoint(_Wishes):
    """Only what is said changes. Null clears a description, a limit or the headers; nothing else can be null."""

    # Neither can be null, and the document must not show what is never used as a default.
    url: _Url = Field(default_factory=str)
    status: Literal["enabled", "paused"] = Field(default_factory=lambda: "enabled")
    """Pausing holds deliveries back, also those of new events; enabling lets them go."""

    def values(self) -> dict[str, Any]:
        """The fields that were said, but for status and headers."""
        return self.model_dump(exclude_unset=True, exclude={"headers", "status"}, mode="json")

    @property
    def wanted_status(self) -> EndpointStatus | None:
        return EndpointStatus(self.status) if "status" in self.model_fields_set else None


class HealthBody(BaseModel):
    consecutive_failures: int
    failing_since: datetime | None
    last_success_at: datetime | None
    last_attempt_at: datetime | None
    blocked_until: datetime | None
    """After many failures in a row nothing is sent before this."""


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


class EndpointDetailBody(EndpointBody):
    health: HealthBody


class EndpointPage(BaseModel):
    object: Literal["list"]
    data: list[EndpointBody]
    has_more: bool
    next_cursor: str | None
