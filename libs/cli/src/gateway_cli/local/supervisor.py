"""`gateway up`: runs the stack at somebody's terminal until they have had enough of it, or until a part of it dies."""

import asyncio
import sys
from urllib.parse import urlsplit

from gateway_cli.failure import Failure
from gateway_cli.local.interrupts import run_until_interrupted
from gateway_cli.local.log import SUPERVISOR
from gateway_cli.local.settings import StackSettings
from gateway_cli.local.stack import Stack, running_stack

KEY, SECRET = "key_test_abc123", "secret_test_xyz789"


def up(settings: StackSettings) -> None:
    """Run until Ctrl-C, which is a good end."""
    run_until_interrupted(_up(settings))


async def _up(settings: StackSettings) -> None:
    async with running_stack(settings, sys.stdout) as stack:
        print(welcome(stack), flush=True)
        try:
            dead = await stack.first_death()
        except asyncio.CancelledError:
            stack.log.write(SUPERVISOR, "stopping; running jobs may finish, a second Ctrl-C kills them")
            raise
        raise Failure(f"{dead.describe_exit()}, so everything was stopped; see {settings.log_path}.")


def welcome(stack: Stack) -> str:
    """Say where everything is, and what to try first."""
    settings = stack.settings
    return f"""
  The gateway is ready. Ctrl-C stops it.

    API          {stack.api_url}
    Dashboard    {stack.dashboard_url}
    Checkout     {stack.sdk_url}/checkout.html?order_id=ord_test_001&key={KEY}
    PostgreSQL   {_without_password(settings.effective_database_url)}
    Redis        {_without_password(settings.effective_redis_url)}
    Log          {settings.log_path}

  Your first payment:

    curl -X POST {stack.api_url}/api/v1/payments \\
      -H "X-Api-Key: {KEY}" -H "X-Api-Secret: {SECRET}" -H "Content-Type: application/json" \\
      -d '{{"amount": 50000, "currency": "INR", "method": "upi", "order_id": "ord_test_001", "vpa": "test@upi"}}'
"""


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    login, at, server = parts.netloc.rpartition("@")
    return parts._replace(netloc=login.partition(":")[0] + at + server).geturl()
