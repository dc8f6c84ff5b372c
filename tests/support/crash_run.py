"""One run of the crash matrix: payments come in, processors die, and in the end the books are read."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.crash_diary import Diary, Entry, Resumed
from tests.support.crash_plan import Kill, matrix
from tests.support.crash_shop import Shop
from tests.support.crash_slots import Slots
from tests.support.doorbell import bell
from tests.support.merchants import Merchant
from tests.support.records import number_all_events, read_audit, read_rows

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.queue.messages import WEBHOOKS_STREAM
from gateway_common.queue.ringer import Ringer

NEIGHBOURS: Final = 3
OPEN_PAYMENTS: Final = 40
SECONDS_MOST: Final = 120
SECONDS_PER_KILL_MOST: Final = 5


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was done, and what is wrong after it."""

    seconds: float
    payments: int
    deaths: Sequence[Entry]
    resumed: Sequence[Resumed]
    taken_from_the_living: int
    """Payments whose processor was alive but silent for so long that another one took them over."""
    unplanned_ends: Sequence[int]
    wrong_ends: Sequence[str]
    done_twice: Sequence[str]
    """What the simulator was asked for twice, though nobody who lived had lost the payment."""
    audit: Sequence[str]
    errors: Sequence[str]
    """What the processors wrote to their log."""
    callbacks: int
    callback_seconds_most: float
    """From when a callback was stored until its payment was made due."""

    def __str__(self) -> str:
        waited = sorted(each.seconds for each in self.resumed if each.seconds is not None)
        middle, nearly = (waited[int(len(waited) * share)] for share in (0.5, 0.99))
        return (
            f"{len(self.deaths)} kills in {self.seconds:.0f} s, {self.payments} payments\n"
            f"{matrix((death.row, death.column) for death in self.deaths)}\n"
            f"{len(self.resumed)} times a payment was cut short; claimed again after p50 {middle:.1f} s,"
            f" p99 {nearly:.1f} s, at most {waited[-1]:.1f} s\n"
            f"lost or wrong in the end {len(self.wrong_ends)}, done twice {len(self.done_twice)},"
            f" audit findings {len(self.audit)}; taken from the living {self.taken_from_the_living}\n"
            f"{self.callbacks} callbacks, each handled within {self.callback_seconds_most:.1f} s"
        )


async def crash(
    database: Database, settings: Mapping[str, str], plan: Sequence[Kill], folder: Path, *, seed: int, deadly: int
) -> Report:
    """Work the plan off while payments come in, let all of them come to rest, and read what is there.

    Of three processors at once so many are killed again and again.
    """
    started = time.monotonic()
    slots = Slots(plan, settings, folder / "diary")
    async with bell(settings["REDIS_URL"]) as payments, bell(settings["REDIS_URL"], WEBHOOKS_STREAM) as webhooks:
        ringer, closed = Ringer(payments, webhooks), asyncio.Event()
        ringing = asyncio.create_task(ringer.run(closed))
        merchant = Merchant(database, Keyring(settings["GATEWAY_MASTER_KEY"]), ringer)
        shop = Shop(database, merchant, random.Random(seed), OPEN_PAYMENTS)  # noqa: S311 -- a repeatable run is the point.
        async with slots.running(NEIGHBOURS, folder / "log", deadly=deadly):
            seconds_most = SECONDS_MOST + SECONDS_PER_KILL_MOST * len(plan)
            try:
                async with asyncio.timeout(seconds_most):
                    await shop.sell_until(slots.done)
                    await shop.hear_all_callbacks()
            except TimeoutError:
                what = f"{slots.outstanding} kills outstanding, {shop.count_open} payments open"
                raise TimeoutError(f"after {seconds_most:.0f} s: {what}") from None
        closed.set()
        await ringing

    await number_all_events(database)
    answers = await read_rows(database, "SELECT payment_id, attempt FROM provider_answers")
    diary = Diary(folder / "diary", {(row["payment_id"], row["attempt"]) for row in answers})
    taken = {payment_id for payment_id, _ in diary.lost_by_the_living}
    twice = await read_rows(database, "SELECT key, payment_id FROM simulator_operations WHERE requests > 1")
    [callbacks] = await read_rows(
        database,
        """
        SELECT count(*) AS count, extract(epoch FROM max(coalesce(handled_at, 'infinity') - received_at))::float AS most
        FROM provider_callbacks
        """,
    )
    return Report(
        seconds=time.monotonic() - started,
        payments=len(shop.sold),
        deaths=list(diary.deaths.values()),
        resumed=list(diary.resumed()),
        taken_from_the_living=len(taken),
        unplanned_ends=slots.unplanned_ends,
        wrong_ends=await shop.wrong_ends(),
        done_twice=[row["key"] for row in twice if row["payment_id"] not in taken],
        audit=await read_audit(database),
        errors=(folder / "log").read_text(errors="replace").splitlines(),
        callbacks=callbacks["count"],
        callback_seconds_most=callbacks["most"],
    )
