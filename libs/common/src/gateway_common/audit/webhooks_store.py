"""The audit's questions about webhooks, as store.py asks them.

What retention may have dropped is not asked about: the parameters begin behind its marks, see model.py.
"""

from typing import Final

# A delivery's id begins with the time of its event, so both ranges are of the same events.
_DELIVERIES_MISSING: Final = """
SELECT event.id AS subject, format('was given %s deliveries, but has %s', fan_out, coalesce(given.count, 0)) AS detail
FROM events AS event
LEFT JOIN (
    SELECT event_id, count(*) FROM webhook_deliveries WHERE id >= :deliveries_from GROUP BY event_id
) AS given ON given.event_id = event.id
WHERE event.id >= :given_events_from AND event.fan_out <> coalesce(given.count, 0)
"""
_DELIVERY_UNPROVEN: Final = """
SELECT
    delivery.id AS subject,
    format(
        'delivered by attempt %s, which %s', delivery.attempts,
        CASE
            WHEN attempt.number IS NULL THEN 'is missing'
            ELSE 'was answered ' || coalesce(attempt.response_status::text, 'by nothing')
        END
    ) AS detail
FROM webhook_deliveries AS delivery
LEFT JOIN webhook_attempts AS attempt
    ON attempt.delivery_id = delivery.id AND attempt.number = delivery.attempts
    AND attempt.delivery_id >= :deliveries_from AND attempt.started_at >= :attempts_from
WHERE delivery.id >= :deliveries_from AND delivery.status = 'delivered'
    AND delivery.updated_at >= :attempts_recorded_from
    AND (attempt.response_status BETWEEN 200 AND 299) IS NOT TRUE
"""
# Dispatchers look themselves for such endpoints every ten seconds: one that is left for a minute is seen by none of
# them. What was tried or let go within that minute may still change when its endpoint is looked at.
_DELIVERY_OVERLOOKED: Final = """
SELECT
    oldest.id AS subject,
    format(
        'due since %s, but its endpoint is not looked at before %s', oldest.due_at,
        coalesce(health.look_at::text, 'something new comes')
    ) AS detail
FROM webhook_endpoint_health AS health
JOIN webhook_endpoints AS endpoint ON endpoint.id = health.endpoint_id AND endpoint.status = 'enabled'
CROSS JOIN LATERAL (
    SELECT id, due_at FROM webhook_deliveries AS delivery
    WHERE delivery.endpoint_id = health.endpoint_id AND delivery.lane = 1
        AND delivery.due_at IS NOT NULL AND delivery.worker_id IS NULL
    ORDER BY due_at LIMIT 1
) AS oldest
WHERE oldest.due_at < now() - interval '1 minute'
    AND coalesce(health.look_at, 'infinity') > now() + interval '10 seconds'
    AND greatest(health.blocked_until, health.last_attempt_at, '-infinity') < now() - interval '1 minute'
    AND NOT health.settling
"""
_ENDPOINT_HEALTH_MISSING: Final = """
SELECT endpoint.id AS subject, format('%s, made at %s', endpoint.status, endpoint.created_at) AS detail
FROM webhook_endpoints AS endpoint
WHERE NOT EXISTS (SELECT FROM webhook_endpoint_health AS health WHERE health.endpoint_id = endpoint.id)
"""

WEBHOOK_QUESTIONS: Final = {
    "deliveries_missing": _DELIVERIES_MISSING,
    "delivery_unproven": _DELIVERY_UNPROVEN,
    "delivery_overlooked": _DELIVERY_OVERLOOKED,
    "endpoint_health_missing": _ENDPOINT_HEALTH_MISSING,
}
