"""The merchant's own headers in a request: which there may be, and what may stand in them."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from gateway_api.fields import PATTERNS

HEADERS_MOST: Final = 10
_NAME: Final = r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$"  # RFC 9110, token.
_VALUE: Final = r"^[!-~]([ -~]{0,1022}[!-~])?$"
PATTERNS[_NAME] = "must be a header name of at most 64 characters, such as X-Api-Token"
PATTERNS[_VALUE] = "must be 1 to 1024 visible ASCII characters, with no space at either end"
# What a request of ours says itself, what frames it or is meant for the next hop only, and what is a browser's.
_RESERVED: Final = re.compile(
    "host|content-(type|length|encoding)|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect"
    "|accept-encoding|user-agent|cookie|traceparent|tracestate|(webhook|x-webhook|proxy)-.*"
)


def _check_names(headers: dict[str, str]) -> dict[str, str]:
    names = [name.lower() for name in headers]
    for name, lower in zip(headers, names, strict=True):
        if _RESERVED.fullmatch(lower):
            raise ValueError(f"{name} can't be set: the request says it by itself, or must not say it")
        if names.count(lower) > 1:
            raise ValueError(f"{name} is there twice")
    return headers


OwnHeaders = Annotated[
    dict[Annotated[str, StringConstraints(pattern=_NAME)], Annotated[str, StringConstraints(pattern=_VALUE)]],
    Field(max_length=HEADERS_MOST),
    AfterValidator(_check_names),
    # Pydantic would say it by patternProperties alone, which lets any other key pass.
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": HEADERS_MOST,
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": {"type": "string", "pattern": _VALUE},
        }
    ),
]
