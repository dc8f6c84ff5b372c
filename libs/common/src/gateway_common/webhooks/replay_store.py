"""Every SQL statement of replays: asked for, advanced some deliveries at a time, and told about."""

from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, TextClause, text

from gateway_common.db.database import Connection
from gateway_common.errors import NotFoundError
from gateway_common.ids import WEBHOOK_DELIVERY, WEBHOOK_REPLAY, first_id, new_id
from gateway_common.webhooks.health import RECOVER_WITHIN
from gateway_common.webhooks.lease_store import LOOK_AND_SETTLE_AGAIN
from gateway_common.webhooks.replay import ReplaySource, ReplayStatus, ReplayWhich, WebhookReplay

# Which deliveries a row of webhook_replays named `replay` means. Those that are on their way anyway are not among them.
_MATCHES: Final = """
delivery.endpoint_id = replay.endpoint_id
    AND delivery.id >= replay.first_delivery_id AND delivery.id < replay.last_delivery_id
    AND (delivery.status = 'failed' OR delivery.status = 'delivered' AND replay.which = 'all')
    AND (replay.source = 'merchant' OR NOT delivery.recovered)
"""
_INSERT = text(f"""
WITH replay AS (
    SELECT
        CAST(:id AS text) AS id, CAST(:endpoint_id AS text) AS endpoint_id, CAST(:source AS text) AS source,
        CAST(:which AS text) AS which, CAST(:first_delivery_id AS text) COLLATE "C" AS first_delivery_id,
        CAST(:last_delivery_id AS text) COLLATE "C" AS last_delivery_id
)
INSERT INTO webhook_replays (
    id, endpoint_id, merchant_id, livemode, source, which, created_from, created_to, first_delivery_id,
    last_delivery_id, status, total, created_at, updated_at
)
SELECT
    replay.id, endpoint.id, endpoint.merchant_id, endpoint.livemode, replay.source, replay.which,
    CAST(:created_from AS timestamptz), CAST(:created_to AS timestamptz), replay.first_delivery_id,
    replay.last_delivery_id, 'running',
    CASE replay.which
        WHEN 'failed' THEN (
            SELECT count(*) FROM webhook_deliveries AS delivery WHERE {_MATCHES} AND delivery.status = 'failed'
        )
        ELSE (SELECT count(*) FROM webhook_deliveries AS delivery WHERE {_MATCHES})
    END,
    CAST(:now AS timestamptz), CAST(:now AS timestamptz)
FROM replay JOIN webhook_endpoints AS endpoint ON endpoint.id = replay.endpoint_id
""")
_SHOULD_RECOVER = text("""
SELECT EXISTS (
    SELECT FROM webhook_deliveries AS delivery
    WHERE delivery.endpoint_id = :endpoint_id AND delivery.status = 'failed' AND NOT delivery.recovered
        AND delivery.id >= :first_delivery_id
) AND (SELECT auto_recover AND status = 'enabled' FROM webhook_endpoints WHERE id = :endpoint_id)
AND NOT EXISTS (
    SELECT FROM webhook_replays
    WHERE endpoint_id = :endpoint_id AND source = 'recovery' AND status = 'running'
)
""")
_FIND_RUNNING = text("""
SELECT replay.id, replay.which
FROM webhook_replays AS replay
JOIN webhook_endpoints AS endpoint ON endpoint.id = replay.endpoint_id AND endpoint.status IN ('enabled', 'deleted')
WHERE replay.status = 'running'
ORDER BY random()
LIMIT :most
""")


def _advance(narrowed: str) -> TextClause:
    """The statement that queues a replay's next deliveries. Only a condition of its own lets failed ones be walked by
    the index they have.
    """
    return text(f"""
WITH replay AS MATERIALIZED (
    SELECT replay.*
    FROM webhook_replays AS replay
    WHERE replay.id = :id AND replay.status = 'running'
    FOR NO KEY UPDATE OF replay SKIP LOCKED
),
-- Not locked: who changes its status holds its health, which comes last here. The rows then follow it once more.
endpoint AS MATERIALIZED (
    SELECT endpoint.id, endpoint.status
    FROM webhook_endpoints AS endpoint JOIN replay ON replay.endpoint_id = endpoint.id
),
walked AS MATERIALIZED (
    SELECT delivery.id
    FROM replay JOIN endpoint ON endpoint.status = 'enabled'
    JOIN webhook_deliveries AS delivery ON {_MATCHES} {narrowed}
    ORDER BY delivery.id
    LIMIT :most
),
waiting AS (
    SELECT delivery.id FROM webhook_deliveries AS delivery
    WHERE delivery.id IN (SELECT id FROM walked) AND delivery.status IN ('failed', 'delivered')
    ORDER BY delivery.id
    FOR NO KEY UPDATE OF delivery
),
freed AS (
    UPDATE webhook_deliveries AS delivery SET
        status = 'pending', due_at = now(), lane = 1, schedule_from = delivery.attempts, replay_id = replay.id,
        recovered = delivery.recovered OR replay.source = 'recovery', updated_at = now()
    FROM waiting, replay
    WHERE delivery.id = waiting.id
    RETURNING delivery.endpoint_id, delivery.lane, delivery.due_at
),
advanced AS (
    UPDATE webhook_replays AS replay SET
        first_delivery_id = coalesce((SELECT max(id) || '!' FROM walked), replay.first_delivery_id),
        queued = replay.queued + (SELECT count(*) FROM freed),
        status = CASE
            WHEN endpoint.status = 'deleted' THEN 'stopped'
            WHEN endpoint.status = 'enabled' AND (SELECT count(*) FROM walked) < :most THEN 'done'
            ELSE 'running'
        END,
        updated_at = now()
    FROM endpoint
    WHERE replay.id = :id AND replay.id IN (SELECT id FROM replay)
),
{LOOK_AND_SETTLE_AGAIN}
SELECT count(*) FROM freed
""")


_ADVANCE: Final = {"failed": _advance("AND delivery.status = 'failed'"), "all": _advance("")}
_WAITING: Final = """
SELECT count(*) FROM webhook_deliveries AS delivery
WHERE delivery.replay_id = replay.id AND delivery.due_at IS NOT NULL
"""
_COLUMNS: Final = [field.name for field in fields(WebhookReplay) if field.name != "waiting"]
_READ: Final = f"""
SELECT {", ".join(f"replay.{name}" for name in _COLUMNS)}, ({_WAITING}) AS waiting
FROM webhook_replays AS replay
WHERE replay.merchant_id = :merchant_id AND replay.livemode = :livemode
"""
_GET = text(_READ + "AND replay.id = :id")
_LIST = text(f"""{_READ}
AND replay.endpoint_id = :endpoint_id AND (CAST(:starting_after AS text) IS NULL OR replay.id < :starting_after)
ORDER BY replay.id DESC LIMIT :limit
""")


async def insert_replay(
    connection: Connection,
    endpoint_id: str,
    *,
    source: ReplaySource,
    which: ReplayWhich,
    created_from: datetime,
    created_to: datetime,
    now: datetime,
) -> str:
    """Ask for the endpoint's ended deliveries of events from `created_from` until before `created_to`; the replay's id.

    What fails again is not replayed again by the same replay: it walks the range once.
    """
    replay_id = new_id(WEBHOOK_REPLAY, now)
    parameters = {
        "id": replay_id,
        "endpoint_id": endpoint_id,
        "source": source,
        "which": which,
        "created_from": created_from,
        "created_to": created_to,
        "first_delivery_id": first_id(WEBHOOK_DELIVERY, created_from),
        "last_delivery_id": first_id(WEBHOOK_DELIVERY, created_to),
        "now": now,
    }
    await connection.execute(_INSERT, parameters)
    return replay_id


async def start_recovery(connection: Connection, endpoint_id: str, *, now: datetime) -> bool:
    """Have the endpoint's exhausted deliveries tried once more, if it wants that and there are any. Under its lock."""
    since = now - RECOVER_WITHIN
    parameters = {"endpoint_id": endpoint_id, "first_delivery_id": first_id(WEBHOOK_DELIVERY, since)}
    if not await connection.scalar(_SHOULD_RECOVER, parameters):
        return False
    await insert_replay(
        connection,
        endpoint_id,
        source=ReplaySource.RECOVERY,
        which=ReplayWhich.FAILED,
        created_from=since,
        created_to=now,
        now=now,
    )
    return True


async def advance_replays(connection: Connection, *, most: int = 1000) -> int:
    """Queue the next deliveries of running replays (20 at a time, `most` of each); how many: if any, there may be more.

    What their endpoints can't take now waits as any delivery does: cap, rate and breaker are the claim's to keep.
    """
    queued = 0
    for row in (await connection.execute(_FIND_RUNNING, {"most": 20})).all():
        queued += await connection.scalar(_ADVANCE[row.which], {"id": row.id, "most": most})
    return queued


async def get_replay(connection: Connection, replay_id: str, *, merchant_id: str, livemode: bool) -> WebhookReplay:
    """The merchant's replay and how far it is; NotFoundError."""
    parameters = {"id": replay_id, "merchant_id": merchant_id, "livemode": livemode}
    row = (await connection.execute(_GET, parameters)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such webhook replay.")
    return _replay(row)


async def list_replays(
    connection: Connection,
    endpoint_id: str,
    *,
    merchant_id: str,
    livemode: bool,
    limit: int,
    starting_after: str | None = None,
) -> list[WebhookReplay]:
    """At most `limit` replays of the endpoint, newest first, those older than `starting_after`."""
    parameters = {
        "endpoint_id": endpoint_id,
        "merchant_id": merchant_id,
        "livemode": livemode,
        "limit": limit,
        "starting_after": starting_after,
    }
    return [_replay(row) for row in await connection.execute(_LIST, parameters)]


def _replay(row: Row[Any]) -> WebhookReplay:
    values = row._asdict()
    values["source"] = ReplaySource(values["source"])
    values["which"] = ReplayWhich(values["which"])
    values["status"] = ReplayStatus(values["status"])
    return WebhookReplay(**values)
