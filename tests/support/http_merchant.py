"""A merchant's server in tests: the API's client with the test key, and payments made many at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx

LOGIN = {"X-Api-Key": "key_test_abc123", "X-Api-Secret": "secret_test_xyz789"}
PAYMENT = {"amount": 50000, "currency": "INR", "method": "upi", "vpa": "test@upi"}
AT_ONCE = 16


@contextmanager
def merchant_client(api_url: str) -> Iterator[httpx.Client]:
    limits = httpx.Limits(max_connections=AT_ONCE * 2)
    with httpx.Client(
        base_url=f"{api_url}/api/v1", headers=LOGIN, limits=limits, timeout=15, trust_env=False
    ) as client:
        yield client


def create_payment(merchant: httpx.Client, **fields: Any) -> str:
    """Create one payment, which must be answered 201; its id."""
    response = merchant.post("/payments", json=PAYMENT | fields)
    assert response.status_code == 201, response.text
    payment_id: str = response.json()["id"]
    return payment_id


def create_payments(merchant: httpx.Client, count: int) -> list[str]:
    """Create payments as a busy merchant does, many at once; their ids."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda _: create_payment(merchant), range(count)))


def create_endpoint(merchant: httpx.Client, url: str, *event_types: str) -> dict[str, str]:
    """Register a webhook endpoint, for all event types unless told which."""
    response = merchant.post("/webhook-endpoints", json={"url": url, "event_types": event_types})
    assert response.status_code == 201, response.text
    endpoint: dict[str, str] = response.json()
    return endpoint
