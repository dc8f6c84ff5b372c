"""Types of request fields that several requests share, with the limits they put on what a caller can send."""

import re
from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictInt, StringConstraints

from gateway_common.money import AMOUNT_MAX_MINOR, AMOUNT_MIN_MINOR, CURRENCIES

METADATA_KEYS_MOST: Final = 50
# A receiver's JSON.parse moves integer-like keys to the front, and the signature would not fit what it prints.
_INTEGER_LIKE: Final = re.compile(r"0|[1-9][0-9]*")
_REFERENCE: Final = r"^[\x21-\x7e]{1,64}$"
_VPA: Final = r"^[A-Za-z0-9.\-_]{2,256}@[A-Za-z][A-Za-z0-9.\-]{1,63}$"
_METHOD_NAME: Final = r"^[a-z0-9_]{2,32}$"
_IDEMPOTENCY_KEY: Final = r"^[\x21-\x7e]{8,255}$"
CARD_NUMBER: Final = r"^[0-9]{12,19}$"
CARD_CVC: Final = r"^[0-9]{3,4}$"
_CURSOR: Final = r"^[a-z]+_[0-9a-z_]{1,40}$"
PATTERNS: Final = {
    _REFERENCE: "must be 1 to 64 visible ASCII characters, without spaces",
    _VPA: "must be a UPI address such as name@bank",
    _METHOD_NAME: "must be 2 to 32 of a to z, 0 to 9 and _",
    _IDEMPOTENCY_KEY: "must be 8 to 255 visible ASCII characters",
    CARD_NUMBER: "must be 12 to 19 digits, without spaces",
    CARD_CVC: "must be 3 or 4 digits",
    _CURSOR: "must be the next_cursor of the page before",
}
"""What a pattern asks for, in words: a caller is never shown a regular expression."""


def _refuse_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not hold a NUL character")
    return value


def _check_currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError("must be an ISO 4217 code such as INR, in capitals")
    return value


def _check_metadata(value: dict[str, str]) -> dict[str, str]:
    if len(value) > METADATA_KEYS_MOST:
        raise ValueError(f"must not have more than {METADATA_KEYS_MOST} keys")
    for key in value:
        if _INTEGER_LIKE.fullmatch(key):
            raise ValueError("must not have keys that are whole numbers")
    return value


def _text(most: int) -> StringConstraints:
    return StringConstraints(min_length=1, max_length=most)


Amount = Annotated[StrictInt, Field(ge=AMOUNT_MIN_MINOR, le=AMOUNT_MAX_MINOR)]
Currency = Annotated[str, AfterValidator(_check_currency)]
Text = Annotated[str, _text(500), AfterValidator(_refuse_nul)]
Name = Annotated[str, _text(100), AfterValidator(_refuse_nul)]
Reference = Annotated[str, StringConstraints(pattern=_REFERENCE)]
Metadata = Annotated[
    dict[
        Annotated[str, _text(40), AfterValidator(_refuse_nul)],
        Annotated[str, Field(max_length=500), AfterValidator(_refuse_nul)],
    ],
    AfterValidator(_check_metadata),
]
MethodName = Annotated[str, StringConstraints(pattern=_METHOD_NAME)]
"""A bank or a wallet, by the provider's short name for it."""
Vpa = Annotated[str, StringConstraints(pattern=_VPA)]

Limit = Annotated[int, Query(ge=1, le=100)]
StartingAfter = Annotated[str | None, Query(pattern=_CURSOR)]
IdFilter = Annotated[str | None, Query(pattern=_REFERENCE)]
OrderFilter = Annotated[str | None, Query(pattern=_REFERENCE)]
CreatedFrom = Annotated[AwareDatetime | None, Query()]
"""From this moment on."""
CreatedTo = Annotated[AwareDatetime | None, Query()]
"""Before this moment."""
PathKey = Annotated[str, Path(pattern=_IDEMPOTENCY_KEY)]
# What can't be an id never reaches PostgreSQL, which refuses NUL; the answer is a plain 404.
PathId = Annotated[str, Path(pattern=_REFERENCE)]


class RequestBody(BaseModel):
    """A request body: unknown fields are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def content(self) -> bytes:
        """What must be the same for a repeated request to be the same; only its keyed digest is stored."""
        return self.model_dump_json(exclude_unset=True).encode()
