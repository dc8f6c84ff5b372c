"""Receivers that mean harm: each costs its deadline and a little memory, and harms no delivery but its own."""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import hostile
from tests.support.certificates import Authority
from tests.support.hostile import DEFLATE, GZIP, OK, RAW_DEFLATE, Behaviour, bomb, coded, coded_in_chunks, sending
from tests.support.receiver import Receiver

from gateway_common.clock import system_clock
from gateway_common.webhooks.outcome import AttemptResult, FailureReason
from gateway_webhook_dispatcher.client import WebhookClient
from gateway_webhook_dispatcher.guard import Guard
from gateway_webhook_dispatcher.response import KEPT_BYTES

pytestmark = pytest.mark.alone

DEADLINE_SECONDS = 0.5
LATE_SECONDS = 0.1
MEMORY_MOST_BYTES = 1024 * 1024
UNHARMED_SECONDS = 0.25
BODY = b'{"id":"evt_1","data":"' + b"x" * 600 + b'"}'
BIG_BODY = b'"' + b"x" * 1_000_000 + b'"'
"""More than the kernel takes in for a receiver that reads nothing."""
HINT = b"HTTP/1.1 103 Early Hints\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TRICKLE = b"X-More: 1\r\n"
METADATA = b"HTTP/1.1 307 Elsewhere\r\nLocation: http://169.254.169.254/latest/meta-data\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Case:
    behave: Behaviour
    reason: FailureReason | None
    error: str | None = None
    """What the error holds."""
    status: int | None = None
    kept: bytes | None = None
    body: bytes = BODY


def fails(reason: FailureReason, error: str, behave: Behaviour, *, body: bytes = BODY) -> Case:
    return Case(behave, reason, error, body=body)


def never_ends(waits_for: str, behave: Behaviour, *, body: bytes = BODY) -> Case:
    return Case(behave, FailureReason.TIMEOUT, f"no complete answer within 0.5 s: {waits_for}", body=body)


def succeeds(kept: bytes, behave: Behaviour) -> Case:
    return Case(behave, None, status=200, kept=kept)


BROKEN, NOT_HTTP = FailureReason.CONNECTION_BROKEN, FailureReason.NOT_HTTP
NO_RESPONSE, NO_END = "no response came", "the response began and did not end"
ZEROS = bytes(KEPT_BYTES)
CASES = {
    "accepts and says nothing": never_ends(NO_RESPONSE, sending()),
    "reads nothing": never_ends(NO_RESPONSE, hostile.read_nothing, body=BIG_BODY),
    "answers after the deadline": never_ends(NO_RESPONSE, sending(HINT, then=b"", every_seconds=1)),
    "drips a head": never_ends(NO_RESPONSE, hostile.dripping(OK + b"X-A: " + b"a" * 1000)),
    "drips headers": never_ends(NO_RESPONSE, hostile.dripping(TRICKLE, before=OK, every_seconds=0.005)),
    "drips a body": never_ends(NO_END, hostile.dripping(b"a", before=OK + b"\r\n")),
    "drips chunks": never_ends(
        NO_END, hostile.dripping(b"1\r\na\r\n", before=OK + b"Transfer-Encoding: chunked\r\n\r\n")
    ),
    "begins a body and stops": never_ends(NO_END, sending(OK + b"Content-Length: 10\r\n\r\nabc")),
    "sends a chunk extension without end": fails(
        BROKEN, "of more than 1024 KiB", sending(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", then=b"a" * 65_536)
    ),
    "sends a body without end": succeeds(b"x" * KEPT_BYTES, sending(OK + b"\r\n", then=b"x" * 65_536)),
    "says that a petabyte will come": succeeds(
        b"x" * KEPT_BYTES, sending(OK + b"Content-Length: 1000000000000000\r\n\r\n", then=b"x" * 65_536)
    ),
    "sends small chunks without end": succeeds(
        b"x" * KEPT_BYTES, sending(OK + b"Transfer-Encoding: chunked\r\n\r\n", then=b"1\r\nx\r\n" * 10_000)
    ),
    "sends a gzip bomb": succeeds(ZEROS, sending(coded("gzip", bomb(GZIP)))),
    "sends a gzip bomb in chunks": succeeds(ZEROS, sending(coded_in_chunks("gzip", bomb(GZIP)))),
    "sends a deflate bomb": succeeds(ZEROS, sending(coded("deflate", bomb(DEFLATE)))),
    "sends a raw deflate bomb": succeeds(ZEROS, sending(coded("deflate", bomb(RAW_DEFLATE)))),
    "sends a gzip bomb in gzip": succeeds(
        bomb(GZIP, layers=2)[:KEPT_BYTES], sending(coded("gzip, gzip", bomb(GZIP, layers=2)))
    ),
    "sends gzip bombs without end": succeeds(
        ZEROS, sending(OK + b"Content-Encoding: gzip\r\n\r\n", then=bomb(GZIP))
    ),
    "says gzip and sends none": succeeds(b"abc", sending(coded("gzip", b"abc"))),
    "sends a coding nobody knows": succeeds(b"abc", sending(coded("zstd", b"abc"))),
    "sends many headers": fails(NOT_HTTP, "no HTTP response", sending(OK, then=TRICKLE * 1_000)),
    "sends long headers": fails(NOT_HTTP, "no HTTP response", sending(OK, then=b"X-A: " + b"a" * 7_000 + b"\r\n")),
    "sends a header without end": fails(NOT_HTTP, "no HTTP response", sending(OK + b"X-A: ", then=b"a" * 65_536)),
    "sends a status line without end": fails(NOT_HTTP, "no HTTP response", sending(OK[:-2], then=b"a" * 65_536)),
    "sends hints without end": fails(NOT_HTTP, "more than 16 interim responses", sending(then=HINT * 1_000)),
    "drips hints": fails(NOT_HTTP, "more than 16 interim responses", sending(then=HINT, every_seconds=0.01)),
    "says continue without end": fails(NOT_HTTP, "more than 16 interim responses", sending(then=CONTINUE * 1_000)),
    "says continue and nothing else": never_ends(NO_RESPONSE, sending(CONTINUE)),
    "says continue, then answers": succeeds(b"ok", sending(CONTINUE, OK + b"Content-Length: 2\r\n\r\nok")),
    "switches protocols": fails(
        NOT_HTTP, "a status of 101", sending(b"HTTP/1.1 101 Switch\r\nUpgrade: websocket\r\n\r\n", then=b"x" * 65_536)
    ),
    "answers many times": succeeds(b"ok", sending(then=(OK + b"Content-Length: 2\r\n\r\nok") * 1_000)),
    "answers without reading": Case(
        hostile.answer_unasked, FailureReason.STATUS, "answered 413", status=413, kept=b"", body=BIG_BODY
    ),
    "redirects to a private address": Case(
        sending(METADATA), FailureReason.REDIRECT, "a redirect to http://169.254.169.254/latest/meta-data", status=307
    ),
    "hangs up at once": fails(BROKEN, "connection broke", hostile.hang_up_at_once),
    "hangs up after the request's head": fails(
        BROKEN, "connection broke", hostile.hang_up_after_the_head, body=BIG_BODY
    ),
    "hangs up in the request's body": fails(BROKEN, "connection broke", hostile.hang_up_in_the_body, body=BIG_BODY),
    "hangs up after the request": fails(BROKEN, "connection broke", sending(hang_up=True)),
    "hangs up after the status line": fails(BROKEN, "connection broke", sending(OK, hang_up=True)),
    "hangs up in the headers": fails(BROKEN, "connection broke", sending(OK + TRICKLE + b"X-", hang_up=True)),
    "hangs up in the body": fails(BROKEN, "broke off", sending(OK + b"Content-Length: 9\r\n\r\nabc", hang_up=True)),
    "hangs up in a chunk": fails(
        BROKEN, "broke off", sending(OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc", hang_up=True)
    ),
    "hangs up in the body of a failure": Case(
        sending(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nabc", hang_up=True),
        FailureReason.STATUS, "answered 500", status=500, kept=b"abc",
    ),
    "speaks first, and no HTTP": fails(NOT_HTTP, "no HTTP response", hostile.speak_first),
    "sends bytes of no meaning": fails(NOT_HTTP, "no HTTP response", sending(then=bytes(range(256)) * 100)),
    "sends zeros": fails(NOT_HTTP, "no HTTP response", sending(then=bytes(65_536))),
    "says two lengths": fails(
        NOT_HTTP, "no HTTP response", sending(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab")
    ),
    "says a length below nothing": fails(NOT_HTTP, "no HTTP response", sending(OK + b"Content-Length: -1\r\n\r\n")),
    "smuggles a zero into a header": fails(NOT_HTTP, "no HTTP response", sending(OK + b"X-A: \x00\r\n\r\n")),
}  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def client(authority: Authority) -> AsyncIterator[WebhookClient]:
    client = WebhookClient(
        guard=Guard(allow_private_networks=True),
        kept_connections=8,
        timeout_seconds=DEADLINE_SECONDS,
        clock=system_clock,
        ssl_context=authority.client_context(),
    )
    yield client
    await client.close()


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def url(case: Case) -> Iterator[str]:
    with hostile.hostile_server(case.behave) as port:
        yield f"http://127.0.0.1:{port}/hook"


async def attempt(client: WebhookClient, url: str, body: bytes = BODY) -> AttemptResult:
    """One attempt, in time."""
    started = time.monotonic()
    result = await client.post(url, {}, body, livemode=False)
    took = time.monotonic() - started
    assert took <= DEADLINE_SECONDS + LATE_SECONDS
    return result


async def test_a_hostile_receiver_fails_in_time_for_the_right_reason_and_harms_no_other(
    client: WebhookClient, receiver: Receiver, case: Case, url: str
) -> None:
    ended = asyncio.Event()
    others: list[tuple[bool, float]] = []

    async def deliver_to_another() -> None:
        while not ended.is_set():
            started = time.monotonic()
            result = await client.post(receiver.url + "/fine", {}, BODY, livemode=False)
            others.append((result.delivered, time.monotonic() - started))
            await asyncio.sleep(0.01)

    other = asyncio.create_task(deliver_to_another())
    result = await attempt(client, url, case.body)
    await asyncio.sleep(0.05)
    ended.set()
    await other

    assert (result.reason, result.response_status) == (case.reason, case.status), result.error
    assert (case.error or "") in (result.error or "")
    assert (result.error is None) == (case.error is None)
    assert case.kept in {None, result.response_body}
    assert all(delivered for delivered, _ in others)
    assert max(took for _, took in others) < UNHARMED_SECONDS


async def test_a_hostile_receiver_costs_less_than_a_mebibyte(
    client: WebhookClient, receiver: Receiver, url: str
) -> None:
    await client.post(receiver.url, {}, BODY, livemode=False)  # What is made once, for all attempts, does not count.
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await client.post(url, {}, BODY, livemode=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak - before < MEMORY_MOST_BYTES


CERTIFICATES = {
    "for another address": ("192.0.2.1", (-1, 1), "its certificate is for another address"),
    "that has expired": ("127.0.0.1", (-9, -1), "its certificate has expired"),
    "that is not valid yet": ("127.0.0.1", (1, 2), "its certificate is not valid yet"),
    "that it signed itself": ("127.0.0.1", None, "its certificate is self-signed"),
}


@pytest.mark.parametrize("kind", CERTIFICATES)
async def test_a_bad_certificate_is_named_and_nothing_is_sent(
    client: WebhookClient, authority: Authority, kind: str
) -> None:
    name, days, words = CERTIFICATES[kind]
    context = authority.server_context(name, days=days or (-1, 1), self_signed=days is None)
    reached = []

    async def note(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        reached.append(await reader.read(1))

    with hostile.hostile_server(note, context) as port:
        result = await attempt(client, f"https://127.0.0.1:{port}/hook")

    assert (result.reason, result.error) == (FailureReason.TLS, f"no connection to 127.0.0.1: {words}")
    assert b"".join(reached) == b""


async def test_a_certificate_for_another_name_is_named(client: WebhookClient, authority: Authority) -> None:
    with hostile.hostile_server(sending(), authority.server_context("shop.example")) as port:
        result = await attempt(client, f"https://localhost:{port}/hook")

    assert (result.reason, result.error) == (
        FailureReason.TLS,
        "no connection to localhost: its certificate is for another name",
    )


async def test_a_certificate_of_an_unknown_authority_is_named(client: WebhookClient, tmp_path: Path) -> None:
    with hostile.hostile_server(sending(), Authority(tmp_path).server_context("localhost")) as port:
        result = await attempt(client, f"https://localhost:{port}/hook")

    assert result.reason == FailureReason.TLS
    assert result.error is not None
    assert "was issued by an authority that is not known here" in result.error


async def test_a_good_certificate_is_accepted_also_with_a_dot_after_the_name(
    client: WebhookClient, authority: Authority
) -> None:
    answer = sending(OK + b"Content-Length: 2\r\n\r\nok")
    with hostile.hostile_server(answer, authority.server_context("localhost")) as port:
        results = [await attempt(client, f"https://{host}:{port}/hook") for host in ("localhost", "localhost.")]

    assert [(result.delivered, result.error) for result in results] == [(True, None)] * 2
    assert all(result.phases.tls_ms is not None for result in results)


async def test_a_handshake_that_hangs_ends_at_the_deadline(client: WebhookClient) -> None:
    async def wait(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(hostile.FOR_EVER)

    with hostile.hostile_server(wait) as port:
        result = await attempt(client, f"https://127.0.0.1:{port}/hook")

    assert result.reason == FailureReason.TIMEOUT
    assert result.error == "no complete answer within 0.5 s: the TLS handshake did not end"


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (hostile.hang_up_at_once, "it hung up during the TLS handshake"),
        (hostile.speak_first, "it does not speak TLS at this port"),
    ],
)
async def test_a_handshake_that_fails_is_explained(client: WebhookClient, behave: Behaviour, words: str) -> None:
    with hostile.hostile_server(behave) as port:
        result = await attempt(client, f"https://127.0.0.1:{port}/hook")

    assert (result.reason, result.error) == (FailureReason.TLS, f"no connection to 127.0.0.1: {words}")
