"""The broker: a Taskiq stream broker made into a doorbell that outlives whatever happens to Redis.

Delivery is at most once (NOACK): a message is only a hint that a row in PostgreSQL is due, and the sweeper rings again
for rows whose hint got lost. So nothing has to be acknowledged, reclaimed or kept.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, Final

import orjson
from redis.exceptions import ClusterError, ResponseError
from taskiq import AckableMessage, BrokerMessage
from taskiq.formatters.proxy_formatter import ProxyFormatter
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisStreamBroker

from gateway_common.logs import get_logger
from gateway_common.queue.connection import RedisFailure, connect_redis
from gateway_common.queue.messages import GROUP

BLOCK_MS: Final = 2_000
READ_MOST: Final = 64
STREAM_MOST: Final = 100_000
"""Only workers trim; without one the stream would fill Redis. A ring that is cut off costs nothing, see the sweeper."""
_STOCK_ADDRESS: Final = "redis://unused.invalid"
_CONNECTIONS: Final = 8
_CONNECT_TIMEOUT_SECONDS: Final = 2.0
_STARTUP_TIMEOUT_SECONDS: Final = 2.0
"""A Redis that hangs would take twenty, in which neither work is taken nor a signal heard."""
_LEAVE_TIMEOUT_SECONDS: Final = 1.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0
_CONSUMER_IDLE_MS_MAX: Final = 3_600_000


class QueueUnavailableError(Exception):
    """Redis does not answer. Nothing is lost by it: the rows are in PostgreSQL."""


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except RedisFailure as error:
        raise QueueUnavailableError(str(error) or type(error).__name__) from error


def _heed_cancellation() -> None:
    """Stop if this task was told to and nobody obeyed: on Python 3.11 a client that is just sending can miss it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class DoorbellBroker(RedisStreamBroker):
    """Reads and rings one stream. A reading process and a ringing one differ only in their timeout."""

    def __init__(self, url: str, *, stream: str, consumer: str, timeout_seconds: float = BLOCK_MS / 1000 + 3) -> None:
        # The stock broker makes a pool for one server and a client per call. Its pool stays empty, for all that would
        # connect it is replaced below: one shared client rings twice as fast, and knows Sentinels and clusters.
        super().__init__(_STOCK_ADDRESS, queue_name=stream, consumer_group_name=GROUP, consumer_name=consumer)
        self.serializer = ORJSONSerializer()
        self.formatter = ProxyFormatter(self)
        self._redis = connect_redis(
            url,
            timeout_seconds=timeout_seconds,
            connect_timeout_seconds=min(timeout_seconds, _CONNECT_TIMEOUT_SECONDS),
            connections=_CONNECTIONS,
        )
        self._free_slots: Callable[[], int] = lambda: 1
        self._handed_over: deque[bytes] = deque()
        self._woken: asyncio.Future[None] | None = None
        self._log = get_logger().bind(stream=stream)

    def read_at_most(self, free_slots: Callable[[], int]) -> None:
        """Read no more messages at once than there are free slots, so that the stream's lag is the true backlog."""
        self._free_slots = free_slots

    @property
    def free_slots(self) -> int:
        """For how many more messages there is a slot, those that were handed over and wait for theirs counted in."""
        return max(0, self._free_slots() - len(self._handed_over))

    async def startup(self) -> None:
        """Make stream and group if Redis is there and has none; `listen` makes them otherwise, when it is."""
        with contextlib.suppress(*RedisFailure, TimeoutError):
            async with asyncio.timeout(_STARTUP_TIMEOUT_SECONDS):
                await super().startup()

    async def _declare_consumer_group(self) -> None:
        # From the beginning: a ring sent before the first worker ever started must not be skipped.
        await self._redis.xgroup_create(self.queue_name, self.consumer_group_name, id="0", mkstream=True)

    async def kick(self, message: BrokerMessage) -> None:
        await self._redis.xadd(self.queue_name, {b"data": message.message}, maxlen=STREAM_MOST)

    async def ring(self, task_name: str, kwargs: list[dict[str, Any]], labels: list[dict[str, Any]]) -> None:
        """Send one message per entry in a single pipeline; QueueUnavailableError if Redis does not take them."""
        pipeline = self._redis.pipeline(transaction=False)
        for message in _messages(task_name, kwargs, labels):
            pipeline.xadd(self.queue_name, {b"data": message}, maxlen=STREAM_MOST)
        with _translated_errors():
            await pipeline.execute()

    def hand_over(self, task_name: str, kwargs: list[dict[str, Any]], labels: list[dict[str, Any]]) -> None:
        """Give messages to this process's own listener, past Redis. They take slots and drain like those it read."""
        self._handed_over.extend(_messages(task_name, kwargs, labels))
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def listen(self) -> AsyncGenerator[AckableMessage | bytes, None]:  # type: ignore[override]
        """Yield messages for ever, through restarts, flushes and outages of Redis; those handed over come first."""
        reading: asyncio.Task[list[bytes]] | None = None
        try:
            while True:
                while self._handed_over:
                    yield self._handed_over.popleft()
                # A read that hangs must not keep back what is handed over meanwhile.
                reading = reading or asyncio.create_task(self._read_through_outages())
                self._woken = asyncio.get_running_loop().create_future()
                either: set[asyncio.Future[Any]] = {reading, self._woken}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    messages, reading = reading.result(), None
                    for data in messages:
                        yield data
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.wait({reading})

    async def _read_through_outages(self) -> list[bytes]:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            _heed_cancellation()
            try:
                messages = await self._read()
            except RedisFailure as error:
                # NOGROUP and UNBLOCKED: somebody flushed Redis, or a new master never heard of the group. Whatever was
                # in there, PostgreSQL knows it. A cluster that is down answers with an error too, but has lost nothing.
                is_group_lost = isinstance(error, ResponseError) and not isinstance(error, ClusterError)
                if is_group_lost or pause == _FIRST_PAUSE_SECONDS:
                    event = "queue.group_lost" if is_group_lost else "queue.lost"
                    self._log.warning(event, error=str(error) or type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                if is_group_lost:
                    await self.startup()
            else:
                if pause > _FIRST_PAUSE_SECONDS:
                    self._log.info("queue.back")
                return messages

    async def _read(self) -> list[bytes]:
        answer: Any = await self._redis.xreadgroup(
            self.consumer_group_name,
            self.consumer_name,
            {self.queue_name: ">"},
            count=max(1, min(self._free_slots(), READ_MOST)),
            block=BLOCK_MS,
            noack=True,
        )
        streams = answer.items() if isinstance(answer, dict) else answer or []
        return [message[b"data"] for _, messages in streams for _, message in messages]

    async def lag(self) -> int:
        """How many messages nobody has read yet; QueueUnavailableError if Redis does not say."""
        with _translated_errors():
            group = await self._find_group()
            if group is None or group["lag"] is None:
                # Without a group (flushed, and all workers too busy to make it again) everything is unread. Redis
                # before 7.4 also loses count after some deletions; the length is then the upper bound.
                return int(await self._redis.xlen(self.queue_name))
            return int(group["lag"])

    async def oldest_unread_seconds(self) -> float:
        """How long ago the oldest message was sent that nobody has read yet, 0 if there is none; QueueUnavailableError.

        What was sent before that is not in the stream any more.
        """
        with _translated_errors():
            group = await self._find_group()
            after = group["last-delivered-id"].decode() if group else "0-0"
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.xrange(self.queue_name, min=f"({after}", count=1)
            pipeline.time()
            unread, (seconds, microseconds) = await pipeline.execute()
        if not unread:
            return 0.0
        # An id begins with the milliseconds of the server that gave it, by the clock that is asked here.
        sent_ms = int(unread[0][0].partition(b"-")[0])
        return max(0.0, float(seconds + microseconds / 1e6 - sent_ms / 1000))

    async def find_lag(self) -> int | None:
        """The lag, or None when Redis does not say."""
        try:
            return await self.lag()
        except QueueUnavailableError:
            return None

    async def tidy(self) -> None:
        """Trim the stream behind the group and forget consumers that died; QueueUnavailableError."""
        with _translated_errors():
            group = await self._find_group()
            if group is None:
                return
            await self._redis.xtrim(self.queue_name, minid=group["last-delivered-id"], approximate=False)
            for consumer in await self._redis.xinfo_consumers(self.queue_name, self.consumer_group_name):
                if consumer["idle"] > _CONSUMER_IDLE_MS_MAX:
                    await self._redis.xgroup_delconsumer(self.queue_name, self.consumer_group_name, consumer["name"])

    async def _find_group(self) -> dict[str, Any] | None:
        try:
            groups = await self._redis.xinfo_groups(self.queue_name)
        except ResponseError:
            return None
        return next((group for group in groups if group["name"] == self.consumer_group_name.encode()), None)

    async def check(self) -> str:
        """Readiness: `ok` when Redis answers."""
        # Of a cluster the node counts on which the stream lies.
        await self._redis.xlen(self.queue_name)
        return "ok"

    async def shutdown(self) -> None:
        """Leave the group and close. Redis being away must not keep a process from stopping."""
        with contextlib.suppress(*RedisFailure):
            async with asyncio.timeout(_LEAVE_TIMEOUT_SECONDS):
                await self._redis.xgroup_delconsumer(self.queue_name, self.consumer_group_name, self.consumer_name)
        await super().shutdown()
        await self._redis.aclose()


def _messages(task_name: str, kwargs: list[dict[str, Any]], labels: list[dict[str, Any]]) -> Iterator[bytes]:
    """What Taskiq's formatter would make of them, without two Pydantic models a ring."""
    for arguments, label in zip(kwargs, labels, strict=True):
        message = {"task_id": "ring", "task_name": task_name, "labels": label, "args": [], "kwargs": arguments}
        yield orjson.dumps(message)
