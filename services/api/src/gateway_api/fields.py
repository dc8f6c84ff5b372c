"""Types of request fields that several requests share, with the limits they put on what a caller can send.

What a type refuses stands in its JSON schema too, so that the OpenAPI document promises neither more nor less.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
)

from gateway_common.idempotency.model import KEY_PATTERN, KEY_RULE
from gateway_common.money import AMOUNT_MAX_MINOR, AMOUNT_MIN_MINOR, CURRENCIES

METADATA_KEYS_MOST: Final = 50
_REFERENCE: Final = r"^[\x21-\x7e]{1,64}$"
_VPA: Final = r"^[A-Za-z0-9.\-_]{2,256}@[A-Za-z][A-Za-z0-9.\-]{1,63}$"
_METHOD_NAME: Final = r"^[a-z0-9_]{2,32}$"
CARD_NUMBER: Final = r"^[0-9]{12,19}$"  # ISO/IEC 7812.
CARD_CVC: Final = r"^[0-9]{3,4}$"
_TEXT: Final = r"^[^\x00]*$"
# A receiver's JSON.parse moves integer-like keys to the front, and the signature would not fit what it prints.
_METADATA_KEY: Final = r"^([0-9]*[^0-9\x00][^\x00]*|0[0-9]+)$"
_TIME: Final = "([01][0-9]|2[0-3]):[0-5][0-9]"
_MOMENT: Final = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_TIME}:[0-5][0-9](\.[0-9]{{1,9}})?(Z|[+\-]{_TIME})$"
PATTERNS: Final = {
    _REFERENCE: "must be 1 to 64 visible ASCII characters, without spaces",
    _VPA: "must be a UPI address such as name@bank, with 2 characters or more before the @",
    _METHOD_NAME: "must be 2 to 32 lower-case letters, digits or _, such as hdfc",
    KEY_PATTERN: KEY_RULE,
    CARD_NUMBER: "must be 12 to 19 digits, without spaces",
    CARD_CVC: "must be 3 or 4 digits",
    _TEXT: "must not hold a NUL character",
    _METADATA_KEY: "must not be a whole number, nor hold a NUL character",
    _MOMENT: "must be a time with its zone, such as 2026-01-31T18:30:00Z",
}
"""What a pattern asks for, in words: a caller is never shown a regular expression."""


def starting_after(*prefixes: str) -> Any:
    """A place in a list: an id that begins as its ids do. By another noun's id there is no page to go on from."""
    pattern = f"^({'|'.join(prefixes)})[0-9a-z_]{{1,40}}$"
    PATTERNS[pattern] = "must be the next_cursor of the page before"
    return Query(pattern=pattern)


def _check_currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError("must be an ISO 4217 code such as INR, in capitals")
    return value


def _parse_digits(value: str) -> int:
    """Digits only: Pydantic would also take `1_0`, `+10`, ` 10 ` and `10.0` for 10."""
    if re.fullmatch("-?[0-9]{1,9}", value) is None:
        raise ValueError("must be a whole number")
    return int(value)


def _parse_moment(value: object) -> datetime:
    """A moment of RFC 3339 in UTC. Pydantic would also take a bare number for seconds since 1970, and local times."""
    if not isinstance(value, str) or re.fullmatch(_MOMENT, value) is None:
        raise ValueError(PATTERNS[_MOMENT])
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:  # A day that is not in the calendar, an hour that is before all time.
        raise ValueError(PATTERNS[_MOMENT]) from error


Amount = Annotated[StrictInt, Field(ge=AMOUNT_MIN_MINOR, le=AMOUNT_MAX_MINOR)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_TEXT)]
Currency = Annotated[str, AfterValidator(_check_currency), Field(json_schema_extra={"enum": sorted(CURRENCIES)})]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_TEXT)]
Reference = Annotated[str, StringConstraints(pattern=_REFERENCE)]
_MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=_METADATA_KEY)]
_MetadataValue = Annotated[str, StringConstraints(max_length=500, pattern=_TEXT)]
Metadata = Annotated[
    dict[_MetadataKey, _MetadataValue],
    Field(max_length=METADATA_KEYS_MOST),
    # Pydantic would say it by patternProperties alone, which lets any other key pass.
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": METADATA_KEYS_MOST,
            "propertyNames": {"minLength": 1, "maxLength": 40, "pattern": _METADATA_KEY},
            "additionalProperties": {"type": "string", "maxLength": 500, "pattern": _TEXT},
        }
    ),
]
MethodName = Annotated[str, StringConstraints(pattern=_METHOD_NAME)]
"""A bank or a wallet, by the provider's short name for it."""
Vpa = Annotated[str, StringConstraints(pattern=_VPA)]

Limit = Annotated[int, Query(ge=1, le=100), BeforeValidator(_parse_digits)]
IdFilter = Annotated[str | None, Query(pattern=_REFERENCE)]
Moment = Annotated[
    datetime,
    BeforeValidator(_parse_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _MOMENT}),
]
CreatedFrom = Annotated[Moment | None, Query(description="Only what was created then or later.")]
CreatedTo = Annotated[Moment | None, Query(description="Only what was created before then.")]
PathKey = Annotated[str, Path(pattern=KEY_PATTERN)]
# What can't be an id never reaches PostgreSQL, which refuses NUL; the answer is a plain 404.
PathId = Annotated[str, Path(pattern=_REFERENCE)]


class RequestBody(BaseModel):
    """A request body: unknown fields are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def content(self) -> bytes:
        """What must be the same for a repeated request to be the same; only its keyed digest is stored."""
        return self.model_dump_json(exclude_unset=True).encode()
