"""The routes of events. An event is listed once it has its number, a moment after its change."""

from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.responses import Response

from gateway_api.answers import answer, respond, respond_page
from gateway_api.auth import Authenticator, Caller
from gateway_api.events.schemas import AfterEvent, EventBody, EventPage
from gateway_api.fields import Limit, PathId
from gateway_api.routing import StrictRouter
from gateway_common.db.database import Database
from gateway_common.errors import UnprocessableError
from gateway_common.events import store
from gateway_common.events.model import numbered_event_snapshot
from gateway_common.merchants.model import Scope

AfterSequence = Annotated[int | None, Query(ge=0, le=2**63 - 1)]


def event_routes(database: Database, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/events", tags=["events"])
    reader = Depends(authenticator.may(Scope.READ))

    @router.get("", summary="List events", responses={200: {"model": EventPage}})
    async def list_events(
        caller: Annotated[Caller, reader],
        limit: Limit = 10,
        starting_after: AfterEvent = None,
        after_sequence: AfterSequence = None,
    ) -> Response:
        """List events, the newest first; or with `after_sequence` those behind that number, in order, without a gap.

        Who keeps the last `sequence` it has handled and asks for what is behind it has missed nothing. `next_cursor` is
        the id for `starting_after`, or the number for `after_sequence`, by which the next page goes on.
        """
        if starting_after is not None and after_sequence is not None:
            raise UnprocessableError("Give after_sequence or starting_after, not both.", param="after_sequence")
        scope: dict[str, Any] = {"merchant_id": caller.merchant_id, "livemode": caller.livemode, "limit": limit + 1}
        async with database.statement() as connection:
            if after_sequence is None:
                found = await store.list_events(connection, starting_after=starting_after, **scope)
            else:
                found = await store.list_events_after(connection, after_sequence, **scope)
        cursor = "id" if after_sequence is None else "sequence"
        return respond_page([numbered_event_snapshot(event) for event in found], limit, cursor=cursor)

    @router.get("/{event_id}", summary="Read an event", responses={200: {"model": EventBody}})
    async def get_event(event_id: PathId, caller: Annotated[Caller, reader]) -> Response:
        """Read an event."""
        async with database.statement() as connection:
            event = await store.get_event(
                connection, event_id, merchant_id=caller.merchant_id, livemode=caller.livemode
            )
        return respond(answer(200, numbered_event_snapshot(event)))

    return router
