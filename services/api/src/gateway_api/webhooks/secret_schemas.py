"""The bodies of requests about an endpoint's signing secret, and of the answer that shows it."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, StrictInt

from gateway_api.fields import RequestBody
from gateway_common.webhooks.changes import OVERLAP_MOST

OVERLAP_DEFAULT_SECONDS: Final = 86_400
_OVERLAP_MOST_SECONDS: Final = int(OVERLAP_MOST.total_seconds())


class RotateSecret(RequestBody):
    overlap_seconds: Annotated[StrictInt, Field(ge=0, le=_OVERLAP_MOST_SECONDS)] = OVERLAP_DEFAULT_SECONDS
    """How long the old secret signs too; 0 ends it at once."""


class PromoteSecret(RequestBody):
    """Nothing: the path says it all."""


class SecretBody(BaseModel):
    object: Literal["webhook_endpoint_secret"]
    secret: str
    old_secret: str | None
    old_secret_expires_at: datetime | None
    plain_signature_uses: Literal["current", "old"]
    """Which of them signs `X-Webhook-Signature`. `webhook-signature` has a signature by each."""
