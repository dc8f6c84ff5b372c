"""Asks again and again whether the invariants hold for what was made in the last day, and says so in metrics and log.

Of many processors the one that started first does it. The whole history is for `gateway audit`.
"""

from datetime import timedelta
from typing import Final

from gateway_common.audit.model import CheckResult
from gateway_common.audit.store import audit
from gateway_common.clock import Clock
from gateway_common.db.database import Database
from gateway_common.logs import get_logger
from gateway_common.telemetry import AUDIT_COMPLETED, AUDIT_FINDINGS
from gateway_common.workers.store import find_oldest_worker

TIMEOUT_SECONDS: Final = 50.0
WINDOW: Final = timedelta(days=1)
WINDOW_NAME: Final = "1d"
NAMED_MOST: Final = 10
"""So many rows are named in a line of the log; `gateway audit` names more."""


class Auditor:
    def __init__(
        self, database: Database, *, worker_id: str, service: str, lease_limit_seconds: float, clock: Clock
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._service = service
        self._lease_limit_seconds = lease_limit_seconds
        self._clock = clock
        self._log = get_logger()

    async def audit(self) -> None:
        """Ask all checks of one moment, if it is this process's turn."""
        async with self._database.statement() as connection:
            oldest = await find_oldest_worker(connection, self._service)
        if oldest != self._worker_id:
            # What this process found when it was its turn must not be taken for what is true now.
            AUDIT_FINDINGS.clear()
            AUDIT_COMPLETED.clear()
            return
        since = self._clock() - WINDOW
        async with self._database.snapshot(timeout_seconds=TIMEOUT_SECONDS) as connection:
            report = await audit(connection, since=since, lease_limit_seconds=self._lease_limit_seconds)
        for result in report.results:
            AUDIT_FINDINGS.labels(result.check.name).set(result.count)
            if result.count:
                self._tell(result)
        AUDIT_COMPLETED.labels(WINDOW_NAME).set(self._clock().timestamp())

    def _tell(self, result: CheckResult) -> None:
        named = [f"{finding.subject}: {finding.detail}" for finding in result.findings[:NAMED_MOST]]
        self._log.warning("audit.broken", check=result.check.name, count=result.count, findings=named)
