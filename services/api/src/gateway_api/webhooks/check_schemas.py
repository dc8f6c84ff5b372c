"""The bodies of a signature check: a webhook as a merchant received it, and what was found."""

import base64
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from gateway_api.fields import PATTERNS, Moment, RequestBody
from gateway_common.errors import UnprocessableError
from gateway_common.webhooks.findings import FindingCode, Scheme

_HEADERS_MOST: Final = 100
_SECRET_CHARACTERS_MOST: Final = 200
_BASE64: Final = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
PATTERNS[_BASE64] = "must be base64"


def _check_unicode(text: str) -> str:
    """Pydantic looks for lone surrogates only in strings on which there is some other condition."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("must be valid Unicode") from error
    return text


def _check_secret(secret: SecretStr) -> SecretStr:
    if not 1 <= len(secret.get_secret_value()) <= _SECRET_CHARACTERS_MOST:
        raise ValueError(f"must have 1 to {_SECRET_CHARACTERS_MOST} characters")
    _check_unicode(secret.get_secret_value())
    return secret


_Anything = Annotated[str, AfterValidator(_check_unicode)]
_Secret = Annotated[
    SecretStr,
    Field(json_schema_extra={"minLength": 1, "maxLength": _SECRET_CHARACTERS_MOST}),
    AfterValidator(_check_secret),
]


class CheckSignature(RequestBody):
    """Exactly one of `body` and `body_base64`, as long as fits in a request. What is no UTF-8 goes by base64."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["body"]}, {"required": ["body_base64"]}]},
    )

    body: Annotated[_Anything, Field(repr=False)] = ""
    """The body that was verified, as text."""
    body_base64: Annotated[str, Field(pattern=_BASE64, repr=False)] = ""
    headers: Annotated[dict[_Anything, _Anything], Field(max_length=_HEADERS_MOST, repr=False)]
    """As they came; of those that do not belong to a webhook nothing is read."""
    secret: _Secret | None = None
    """The secret that was verified with. It is only compared, and kept nowhere."""
    received_at: Moment | None = None
    """When the webhook came, by the clock that judged its age; now, if nothing is said."""

    def body_bytes(self) -> bytes:
        """The body that was verified; UnprocessableError if it was given twice or not at all."""
        as_text, as_base64 = "body" in self.model_fields_set, "body_base64" in self.model_fields_set
        if as_text == as_base64:
            raise UnprocessableError("Give the webhook's body either as body or as body_base64.", param="body")
        return self.body.encode() if as_text else base64.b64decode(self.body_base64)

    def content(self) -> bytes:
        """With the secret, which a dump leaves out: a check of another secret is another request."""
        secret = self.secret.get_secret_value() if self.secret else ""
        return super().content() + b"\n" + secret.encode()


class FindingBody(BaseModel):
    scheme: Scheme | None
    """`standard` is `webhook-signature`, `plain` is `X-Webhook-Signature`; null: of the secret that was given."""
    code: FindingCode
    message: str


class SignatureCheckBody(BaseModel):
    object: Literal["webhook_signature_check"]
    valid: bool
    """Whether there is a signature, and each that is there fits: by the endpoint's secrets, and by the clock."""
    event_id: str | None
    """The merchant's event that the webhook was compared with."""
    findings: list[FindingBody]
