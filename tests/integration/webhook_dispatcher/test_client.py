"""One webhook request against receivers that behave badly: it ends at its deadline or its cap, and never raises."""

import asyncio
import time

import pytest
from tests.support.receiver import Answer, Receiver, answering, repeating

from gateway_common.clock import system_clock
from gateway_common.webhooks.outcome import FailureReason
from gateway_webhook_dispatcher.client import ERROR_KEPT_CHARACTERS, WebhookClient
from gateway_webhook_dispatcher.guard import Guard
from gateway_webhook_dispatcher.response import KEPT_BYTES

DEADLINE_SECONDS = 1.0
NOISE_SECONDS = 1.0
NO_RESPONSE, NO_END = "no response came", "the response began and did not end"
ENDLESS: dict[str, Answer] = {
    "no answer at all": answering(200, after_seconds=60),
    "a head that trickles": repeating(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n", every_seconds=0.1),
    "a body that trickles": repeating(b"HTTP/1.1 200 OK\r\n\r\n", b".", every_seconds=0.1),
    "a chunked body that trickles": repeating(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n.\r\n", every_seconds=0.1
    ),
    "less of a body than was announced": repeating(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"", every_seconds=0.1
    ),
}
BROKEN: dict[str, bytes] = {
    "early hints in a flood": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100,
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 100_000,
    "a status that is none": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a status of none": b"HTTP/1.1 000 Nothing\r\n\r\n",
    "another protocol from here on": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "a lot of nonsense": b"\x00\xff" * 30_000 + b"\r\n\r\n",
    "more than it said": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n..",
    "chunks that are none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_an_answer_without_an_end_ends_at_the_deadline(
    receiver: Receiver, client: WebhookClient, kind: str
) -> None:
    url = receiver.answer("/endless", ENDLESS[kind])
    waits_for = NO_END if "body" in kind else NO_RESPONSE
    started = time.monotonic()

    result = await client.post(url, {}, b"{}", livemode=False)

    assert DEADLINE_SECONDS <= time.monotonic() - started < DEADLINE_SECONDS + NOISE_SECONDS
    assert (result.delivered, result.response_status) == (False, None)
    assert (result.reason, result.error) == (FailureReason.TIMEOUT, f"no complete answer within 1 s: {waits_for}")


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n"], ids=["200", "500"])
async def test_a_huge_answer_is_read_up_to_the_cap_only(receiver: Receiver, client: WebhookClient, head: bytes) -> None:
    url = receiver.answer("/huge", repeating(head, b"x" * 65_536))
    started = time.monotonic()

    result = await client.post(url, {}, b"{}", livemode=False)

    assert time.monotonic() - started < DEADLINE_SECONDS
    assert result.response_status == int(head[9:12])
    assert result.response_body == b"x" * KEPT_BYTES


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
async def test_an_answer_that_makes_no_sense_is_a_failure_in_plain_words(
    receiver: Receiver, client: WebhookClient, answer: bytes
) -> None:
    url = receiver.answer("/broken", repeating(answer, b"", every_seconds=0.05))

    result = await client.post(url, {}, b"{}", livemode=False)

    assert not result.delivered
    assert result.reason in {FailureReason.NOT_HTTP, FailureReason.CONNECTION_BROKEN}
    assert result.error is not None
    assert result.error.startswith(("what came is no HTTP response: ", "connection broke: "))
    assert len(result.error) <= ERROR_KEPT_CHARACTERS


async def test_a_receiver_that_hangs_up_is_a_failure(receiver: Receiver, client: WebhookClient) -> None:
    async def hang_up(_: object, writer: asyncio.StreamWriter) -> None:
        writer.close()

    result = await client.post(receiver.answer("/rude", hang_up), {}, b"{}", livemode=False)

    assert result.error is not None
    assert result.error.startswith("connection broke: ")


async def test_the_client_goes_on_after_many_bad_receivers(receiver: Receiver, client: WebhookClient) -> None:
    url = receiver.answer("/endless", ENDLESS["a body that trickles"])
    await asyncio.gather(*(client.post(url, {}, b"{}", livemode=False) for _ in range(20)))

    results = await asyncio.gather(*(client.post(receiver.url + "/fine", {}, b"{}", livemode=False) for _ in range(20)))

    assert [result.response_status for result in results] == [200] * 20


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/closed",
        f"http://{'a' * 64}.example/label-too-long",
        "http://[::1]:1/closed",
    ],
)
async def test_an_address_nobody_answers_at_is_a_failure(client: WebhookClient, url: str) -> None:
    result = await client.post(url, {}, b"{}", livemode=False)

    assert result.error is not None
    assert result.error.startswith(("no connection to ", "the name ", "no complete answer"))


async def test_https_to_a_server_without_tls_is_a_failure(client: WebhookClient) -> None:
    async def speak_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(speak_plainly, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        result = await client.post(f"https://127.0.0.1:{port}/", {}, b"{}", livemode=False)

    assert not result.delivered
    assert result.error is not None
    assert result.error.startswith("no connection to ")


async def test_a_redirect_is_not_followed(receiver: Receiver, client: WebhookClient) -> None:
    elsewhere = f"Location: {receiver.url}/elsewhere\r\n"

    result = await client.post(receiver.answer("/moved", answering(302, headers=elsewhere)), {}, b"{}", livemode=False)

    assert (result.delivered, result.response_status) == (False, 302)
    assert result.reason == FailureReason.REDIRECT
    assert result.error == (
        f"answered 302, a redirect to {receiver.url}/elsewhere: redirects are not followed, give the final address"
    )
    assert receiver.at("/elsewhere") == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]"])
async def test_whatever_leads_to_loopback_is_refused_unless_private_networks_are_allowed(
    receiver: Receiver, host: str
) -> None:
    guarded = WebhookClient(guard=Guard(), kept_connections=1, timeout_seconds=5, clock=system_clock)
    port = receiver.url.rpartition(":")[2]

    result = await guarded.post(f"http://{host}:{port}/hook", {}, b"{}", livemode=False)

    await guarded.close()
    assert result.error == f"no connection to {host.strip('[]')}: it leads to an address that is not public"
    assert receiver.at("/hook") == []


async def test_a_name_may_lead_to_this_machine_where_private_networks_are_allowed(
    receiver: Receiver, client: WebhookClient
) -> None:
    result = await client.post(receiver.url.replace("127.0.0.1", "localhost") + "/hook", {}, b"{}", livemode=False)

    assert result.delivered


async def test_no_proxy_of_the_environment_is_asked(
    receiver: Receiver, client: WebhookClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    result = await client.post(receiver.url + "/hook", {}, b"{}", livemode=False)

    assert result.delivered


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("9" * 400, float("inf")),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0.0),
        ("Mon Jan  1 00:00:00 2024", 0.0),
    ],
)
async def test_retry_after_is_read_where_it_makes_sense(
    receiver: Receiver, client: WebhookClient, header: str, expected: float | None
) -> None:
    url = receiver.answer("/busy", answering(503, headers=f"Retry-After: {header}\r\n"))

    result = await client.post(url, {}, b"{}", livemode=False)

    assert result.retry_after_seconds == expected


async def test_live_mode_sends_nothing_without_tls(receiver: Receiver, client: WebhookClient) -> None:
    result = await client.post(receiver.url + "/hook", {}, b"{}", livemode=True)

    assert result.reason == FailureReason.ADDRESS_REFUSED
    assert result.error == "the URL is not sent to: in live mode it must begin with https://"
    assert receiver.at("/hook") == []


async def test_a_target_with_hidden_characters_is_shown_without_them(receiver: Receiver, client: WebhookClient) -> None:
    url = receiver.answer("/moved", answering(302, headers=f"Location: /a\x80\u2028{'b' * 1_000}\r\n"))

    result = await client.post(url, {}, b"{}", livemode=False)

    assert result.error is not None
    assert result.error.isprintable()
    assert "b" * 150 in result.error
    assert "b" * 200 not in result.error


async def test_a_receiver_that_is_gone_is_told_apart(receiver: Receiver, client: WebhookClient) -> None:
    result = await client.post(receiver.answer("/gone", answering(410)), {}, b"{}", livemode=False)

    assert (result.reason, result.error) == (
        FailureReason.GONE,
        "answered 410: the receiver wants no more webhooks",
    )


@pytest.mark.parametrize(("asked", "given"), [(None, 0.3), (0.2, 0.2), (30, 0.4)])
async def test_an_endpoint_has_its_own_deadline_but_none_longer_than_a_lease_allows(
    receiver: Receiver, asked: float | None, given: float
) -> None:
    guard = Guard(allow_private_networks=True)
    client = WebhookClient(
        guard=guard, kept_connections=1, timeout_seconds=0.3, longest_timeout_seconds=0.4, clock=system_clock
    )
    url = receiver.answer("/slow", answering(200, after_seconds=60))

    result = await client.post(url, {}, b"{}", livemode=False, timeout_seconds=asked)

    await client.close()
    assert result.error == f"no complete answer within {given:g} s: no response came"
