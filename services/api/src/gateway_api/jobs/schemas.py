"""The body of what the workers have done and have to do."""

from typing import Literal

from pydantic import BaseModel


class QueueStatus(BaseModel):
    due: int
    oldest_due_seconds: float
    rings_waiting: int | None
    """None when Redis does not say."""


class JobsStatus(BaseModel):
    pending: int
    processing: int
    completed: int
    failed: int
    worker_status: Literal["running", "stopped"]
    queues: dict[str, QueueStatus]
