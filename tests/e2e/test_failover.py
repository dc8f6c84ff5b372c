"""A gateway whose REDIS_URL names Sentinels: the API and a processor as real processes, and a master that is killed."""

import time
from pathlib import Path

import httpx
from tests.support.api import KEYS, NEW_PAYMENT
from tests.support.api_process import ApiProcess, running_api_process
from tests.support.measuring import Measure
from tests.support.processor_process import processor_process
from tests.support.redis_nodes import running_sentinels
from tests.support.waiting import wait_until

TAKEN_UP_WITHIN_SECONDS = 20.0


async def test_a_payment_is_taken_up_after_the_master_of_the_queue_was_killed(
    database_url: str, master_key: str, tmp_path: Path, measure: Measure
) -> None:
    with running_sentinels() as sentinels:
        settings = {"DATABASE_URL": database_url, "REDIS_URL": sentinels.url, "GATEWAY_MASTER_KEY": master_key}
        with running_api_process(tmp_path, **settings) as api:
            async with processor_process(database_url, sentinels.url, master_key):
                await _pay(api)
                sentinels.master.kill()
                seconds = await _pay(api)
    measure(f"{seconds:.1f} s")


async def _pay(api: ApiProcess) -> float:
    """Create a payment and wait until it has an outcome; the seconds that took."""
    async with httpx.AsyncClient(base_url=f"{api.url}/api/v1", headers=KEYS, timeout=10) as client:
        created = await client.post("/payments", json=NEW_PAYMENT)
        assert created.status_code == 201, created.text
        path = f"/payments/{created.json()['id']}"

        async def is_paid() -> bool:
            return bool((await client.get(path)).json()["status"] == "success")

        started = time.monotonic()
        await wait_until(is_paid, seconds=TAKEN_UP_WITHIN_SECONDS)
        return time.monotonic() - started
