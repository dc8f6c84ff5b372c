"""What routes answer with: bytes made once, the same ones an Idempotency-Key keeps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from starlette.responses import Response

CREATED: Final = 201


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of a successful request; `replayed` when they were given before."""

    status: int
    body: bytes = field(repr=False)
    replayed: bool = False


def answer(status: int, content: Any) -> Answer:
    return Answer(status, orjson.dumps(content))


def respond(given: Answer) -> Response:
    headers = {"Idempotent-Replayed": "true"} if given.replayed else None
    return Response(given.body, given.status, headers, media_type="application/json")


def respond_page(
    snapshots: Sequence[dict[str, Any]], limit: int, *, cursor: str = "id", looked_until: str | None = None
) -> Response:
    """A page of a list, asked for with one row more than `limit`: that row only says that there is more.

    `cursor` names the field of the last row from which the next page goes on; `looked_until` is where a search ended
    that looks at so many rows at a time and no more.
    """
    page = snapshots[:limit]
    has_more = len(snapshots) > limit
    next_cursor = str(page[-1][cursor]) if has_more else looked_until
    content = {
        "object": "list",
        "data": page,
        "has_more": next_cursor is not None,
        "next_cursor": next_cursor,
    }
    return respond(answer(200, content))
