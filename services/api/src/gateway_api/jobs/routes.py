"""`GET /test/jobs/status`: what the workers have done and have to do. Exists only in test mode; needs no key."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from gateway_api.answers import answer, respond
from gateway_api.jobs.schemas import JobsStatus
from gateway_api.routing import StrictRouter
from gateway_common.db.database import Database
from gateway_common.payments.queue_store import measure_due_payments
from gateway_common.payments.store import count_by_status as count_payments
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.refunds.store import count_by_status as count_refunds
from gateway_common.webhooks.lease_store import measure_due_deliveries
from gateway_common.workers.store import count_live_workers


def job_routes(database: Database, bells: Mapping[str, DoorbellBroker]) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/test", tags=["test"])

    @router.get("/jobs/status", summary="Read what the workers do", responses={200: {"model": JobsStatus}})
    async def get_jobs_status() -> Response:
        """Payments and refunds by where they are, the processor, and the queues as PostgreSQL and Redis see them."""
        async with database.statement() as connection:
            payments = await count_payments(connection)
            refunds = await count_refunds(connection)
            processors = await count_live_workers(connection, "processor")
            due = {
                "payments": await measure_due_payments(connection),
                "webhooks": await measure_due_deliveries(connection),
            }
        queues: dict[str, Any] = {}
        for name, bell in bells.items():
            count, oldest_seconds = due[name]
            waiting = await bell.find_lag()
            queues[name] = {"due": count, "oldest_due_seconds": round(oldest_seconds, 3), "rings_waiting": waiting}
        content = {
            "pending": payments.get("pending", 0) + refunds.get("pending", 0),
            "processing": payments.get("processing", 0) + refunds.get("processing", 0),
            "completed": payments.get("success", 0) + refunds.get("processed", 0),
            "failed": payments.get("failed", 0) + refunds.get("failed", 0),
            "worker_status": "running" if processors else "stopped",
            "queues": queues,
        }
        return respond(answer(200, content))

    return router
