"""The processor as a real process of its own, for tests that end it the hard way."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from gateway_cli.local.ports import find_free_ports

StartProcessor = Callable[..., AbstractAsyncContextManager[Process]]
"""Takes settings by name."""


@asynccontextmanager
async def processor_process(
    database_url: str, redis_url: str, master_key: str, **settings: str
) -> AsyncIterator[Process]:
    """Start `python -m gateway_processor`; what is left of it in the end is killed."""
    (metrics_port,) = find_free_ports(1)
    environment = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "GATEWAY_MASTER_KEY": master_key,
        "TEST_MODE": "true",
        "HOST": "127.0.0.1",
        "METRICS_PORT": str(metrics_port),
        "PROCESSING_DELAY_MAX_MS": settings.get("PROCESSING_DELAY_MIN_MS", "0"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway_processor", env=os.environ | environment | settings
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
