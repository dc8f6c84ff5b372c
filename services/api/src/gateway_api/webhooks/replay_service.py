"""Replays that a merchant asks for: a time range of an endpoint's deliveries, sent again by the dispatcher."""

from datetime import timedelta
from typing import Any, Final

from gateway_api.answers import CREATED, Answer, answer
from gateway_api.auth import Caller
from gateway_api.idempotency import Attempt, Idempotency
from gateway_api.webhooks.replay_schemas import ReplayEvents
from gateway_common.clock import Clock
from gateway_common.db.database import Connection, Database
from gateway_common.errors import UnprocessableError
from gateway_common.queue.ringer import Ringer
from gateway_common.webhooks.changes import check_enabled
from gateway_common.webhooks.replay import ReplaySource, WebhookReplay, replay_snapshot
from gateway_common.webhooks.replay_store import get_replay, insert_replay, list_replays
from gateway_common.webhooks.store import get_endpoint, hold_endpoint

REPLAYED_BY_DEFAULT: Final = timedelta(days=7)


class WebhookReplayService:
    def __init__(self, database: Database, idempotency: Idempotency, ringer: Ringer, clock: Clock) -> None:
        self._database = database
        self._idempotency = idempotency
        self._ringer = ringer
        self._clock = clock

    async def create(self, caller: Caller, endpoint_id: str, wanted: ReplayEvents, attempt: Attempt | None) -> Answer:
        """Ask for the replay; the dispatcher queues its deliveries some at a time."""

        async def act(connection: Connection) -> Answer:
            scope: dict[str, Any] = {"merchant_id": caller.merchant_id, "livemode": caller.livemode}
            endpoint = await hold_endpoint(connection, endpoint_id, **scope)
            check_enabled(endpoint_id, endpoint.status)
            now = self._clock()
            created_to = min(wanted.created_to or now, now)
            created_from = wanted.created_from or now - REPLAYED_BY_DEFAULT
            if created_from >= created_to:
                raise UnprocessableError(
                    "created_from: must be before created_to, and in the past.", param="created_from"
                )
            replay_id = await insert_replay(
                connection,
                endpoint_id,
                source=ReplaySource.MERCHANT,
                which=wanted.status,
                created_from=created_from,
                created_to=created_to,
                now=now,
            )
            return answer(CREATED, replay_snapshot(await get_replay(connection, replay_id, **scope)))

        given = await self._idempotency.run(attempt, act)
        self._ringer.ring_webhooks()
        return given

    async def get(self, caller: Caller, replay_id: str) -> WebhookReplay:
        async with self._database.statement() as connection:
            return await get_replay(connection, replay_id, merchant_id=caller.merchant_id, livemode=caller.livemode)

    async def list(
        self, caller: Caller, endpoint_id: str, *, limit: int, starting_after: str | None
    ) -> list[WebhookReplay]:
        """A page of the endpoint's replays, those that recovery began too; NotFoundError."""
        scope: dict[str, Any] = {"merchant_id": caller.merchant_id, "livemode": caller.livemode}
        async with self._database.statement() as connection:
            await get_endpoint(connection, endpoint_id, **scope)
            return await list_replays(connection, endpoint_id, **scope, limit=limit, starting_after=starting_after)
