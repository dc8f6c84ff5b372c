"""Looks names up in threads of its own, so that no name server that hangs can stop what does not need it."""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Final

from gateway_common.webhooks.outcome import FailureReason
from gateway_webhook_dispatcher.failures import AttemptFailedError

LOOKUPS_MOST: Final = 128
LOOKUPS_PER_OPERATOR: Final = 4
SILENT_SECONDS: Final = 10.0
"""So long a name is not asked for again after nobody answered: its threads and slots are needed for others."""
_SILENT_NAMES_MOST: Final = 10_000
Lookup = Callable[[str, int], list[str]]


def look_up(host: str, port: int) -> list[str]:
    """The system's answer, in its order. OSError or UnicodeError where there is none."""
    return list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def operator_of(host: str) -> str:
    """The part of a name that whoever runs its name servers has registered, roughly: `shop.example`, `shop.co.uk`."""
    labels = host.lower().rstrip(".").split(".")
    country_with_kinds = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3  # noqa: PLR2004
    return ".".join(labels[-3 if country_with_kinds else -2 :])


class Resolver:
    """Each name once at a time, a few of one operator's at once, silent ones not again for a while.

    The loop's own look-ups share a handful of threads with every connection of the process: one merchant's name servers
    that hang would stop all deliveries, and the database's reconnects with them. A thread that waits for them can't be
    stopped; it is only not joined by more than a few.
    """

    def __init__(self, lookup: Lookup = look_up, *, silent_seconds: float = SILENT_SECONDS) -> None:
        self._lookup = lookup
        self._silent_seconds = silent_seconds
        self._threads = ThreadPoolExecutor(LOOKUPS_MOST, thread_name_prefix="dns")
        self._running: dict[tuple[str, int], asyncio.Task[list[str]]] = {}
        self._operators: dict[str, _Places] = {}
        self._silent_until: dict[str, float] = {}

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a name; of an address, itself. AttemptFailedError where there are none."""
        if _is_address(host):
            return [host]
        if self._silent_until.get(host, 0) > time.monotonic():
            raise AttemptFailedError(
                FailureReason.TIMEOUT, f"the name servers of {host} did not answer a moment ago and are left alone"
            )
        lookup = self._running.get((host, port))
        if lookup is None:
            lookup = asyncio.create_task(self._look_up(host, port))
            self._running[host, port] = lookup
            lookup.add_done_callback(partial(self._forget, (host, port)))
        try:
            # Who gives up waiting must not take the answer from the others.
            return await asyncio.shield(lookup)
        except asyncio.CancelledError:
            self._note_silent(host)
            raise
        except (OSError, UnicodeError) as error:
            if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                self._note_silent(host)
            raise AttemptFailedError(FailureReason.NAME_UNKNOWN, f"the name {host} can't be resolved") from error

    async def _look_up(self, host: str, port: int) -> list[str]:
        with self._places(operator_of(host)) as places:
            async with places.free:
                return await asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, host, port)

    @contextmanager
    def _places(self, operator: str) -> Iterator["_Places"]:
        places = self._operators.setdefault(operator, _Places())
        places.users += 1
        try:
            yield places
        finally:
            places.users -= 1
            if not places.users:
                del self._operators[operator]

    def _note_silent(self, host: str) -> None:
        now = time.monotonic()
        if len(self._silent_until) >= _SILENT_NAMES_MOST:
            self._silent_until = {name: until for name, until in self._silent_until.items() if until > now}
        self._silent_until[host] = now + self._silent_seconds

    def _forget(self, name: tuple[str, int], lookup: asyncio.Task[list[str]]) -> None:
        del self._running[name]
        if not lookup.cancelled():
            lookup.exception()

    def close(self) -> None:
        for lookup in self._running.values():
            lookup.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Places:
    """How many more of an operator's names may be looked up, and how many look-ups know of it."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(LOOKUPS_PER_OPERATOR)
        self.users = 0


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
