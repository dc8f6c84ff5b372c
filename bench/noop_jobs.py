"""The yardstick of workers: Taskiq's receiver on our broker or on the stock one, with a job that does nothing.

`python -m bench.noop_jobs KIND URL PORT`, where KIND is `doorbell` or `stock`. Like a worker of ours it answers
/metrics.
"""

import asyncio
import sys

from taskiq import AsyncBroker
from taskiq.receiver import Receiver
from taskiq_redis import RedisStreamBroker

from gateway_common.logs import configure_logs
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.serving import Health, http_server, operations_app, run, serve, stop_on_signals
from gateway_common.telemetry import JOBS, JOBS_RUNNING

SLOTS = 1_000
TASK = "bench.nothing"
STREAMS = {"doorbell": "bench:doorbell:0", "stock": "bench:stock:0"}


async def main() -> None:
    kind, url, port = sys.argv[1:]
    configure_logs("noop", level="INFO", style="json")
    stream = STREAMS[kind]
    running: set[object] = set()
    broker: AsyncBroker
    if kind == "doorbell":
        broker = DoorbellBroker(url, stream=stream, consumer="noop")
        broker.read_at_most(lambda: SLOTS - len(running))
    else:
        broker = RedisStreamBroker(url, queue_name=stream, consumer_group_name="noop", consumer_id="0")

    @broker.task(task_name=TASK)
    async def nothing(payment_id: str) -> None:  # noqa: ARG001 -- a ring names a payment.
        # Counted as a payment's job is.
        job = object()
        running.add(job)
        JOBS_RUNNING.set(len(running))
        JOBS.labels("none", "nothing").inc()
        running.discard(job)
        JOBS_RUNNING.set(len(running))

    stop = stop_on_signals()
    operations = http_server(operations_app(Health(needed={})), "127.0.0.1", int(port))
    await asyncio.gather(serve(operations, stop=stop), Receiver(broker, max_async_tasks=SLOTS).listen(stop))
    await broker.shutdown()


if __name__ == "__main__":
    run(main)
