"""The checkout server as a process of its own, asked over HTTP."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from tests.support.patience import wait_until

from gateway_cli.local.ports import find_free_ports


@pytest.fixture(scope="module")
def process() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port, metrics_port = find_free_ports(2)
    own = {"HOST": "127.0.0.1", "PORT": str(port), "METRICS_PORT": str(metrics_port), "TEST_MODE": "true"}
    running = subprocess.Popen(
        [sys.executable, "-m", "gateway_sdk"],
        env=os.environ | own | {"API_PUBLIC_URL": "https://api.example.com"},
        stdout=subprocess.DEVNULL,
    )
    wait_until(lambda: _is_ready(port), "the checkout server is ready", timeout_seconds=60)
    yield running, port
    running.kill()
    running.wait()


@pytest.fixture(scope="module")
def server(process: tuple[subprocess.Popen[bytes], int]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{process[1]}", trust_env=False) as client:
        yield client


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/checkout.html", "text/html; charset=utf-8"),
        ("/checkout.js", "text/javascript; charset=utf-8"),
        ("/checkout/page.js", "text/javascript; charset=utf-8"),
        ("/checkout.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/webhooks/payment_gateway_webhooks.py", "text/plain; charset=utf-8"),
        ("/webhooks/payment-gateway-webhooks.mjs", "text/plain; charset=utf-8"),
    ],
)
def test_a_file_comes_with_its_type_and_guards(server: httpx.Client, path: str, content_type: str) -> None:
    response = server.get(path)

    assert response.status_code == 200
    assert response.headers["content-type"] == content_type
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


def test_the_page_has_a_strict_policy(server: httpx.Client) -> None:
    policy = server.get("/checkout.html?order_id=x&key=y").headers["content-security-policy"]

    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "connect-src 'self' https://api.example.com;" in policy
    assert "frame-ancestors *" in policy


def test_a_file_that_has_not_changed_is_not_sent_again(server: httpx.Client) -> None:
    first = server.get("/checkout/page.js")
    again = server.get("/checkout/page.js", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


def test_head_is_answered_without_a_body(server: httpx.Client) -> None:
    response = server.head("/checkout.js")

    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 0


@pytest.mark.parametrize(
    "path", ["/", "/settings.py", "/webhooks/__init__.py", "/checkout/../settings.py", "/..%2fsettings.py", "/docs"]
)
def test_nothing_else_can_be_asked_for(server: httpx.Client, path: str) -> None:
    assert server.get(path).status_code == 404


def test_it_stops_on_sigterm_with_status_zero(
    server: httpx.Client, process: tuple[subprocess.Popen[bytes], int]
) -> None:
    assert server.get("/healthz").json() == {"status": "ok"}

    process[0].send_signal(signal.SIGTERM)

    assert process[0].wait(timeout=10) == 0
