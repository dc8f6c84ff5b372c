"""Forks processors that live the life they are given. The child is the real worker, but it ends itself by SIGKILL
where its life says.
"""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from tests.support.crash_diary import Entry, write_entry
from tests.support.crash_plan import Kill, Row, row_of
from tests.support.zygote import serve_lives

from gateway_common.payments.model import Operation, Payment
from gateway_common.serving import run
from gateway_processor import worker
from gateway_processor.settings import ProcessorSettings
from gateway_processor.steps import CallbackStep, Step


@dataclass(frozen=True)
class Life:
    """One processor from start to end. Without a kill it lives until it is asked to stop."""

    number: int
    settings: dict[str, str]
    kill: Kill | None


# Where a callback's batch is, in the words of the matrix.
_CALLBACK_STEPS: Final = {
    CallbackStep.HANDLING: Step.CLAIMING,
    CallbackStep.COMMITTING: Step.COMMITTING,
    CallbackStep.HANDLED: Step.RECORDED,
}


class Reaper:
    """Keeps the diary of a life, and ends it at its cell."""

    def __init__(self, life: Life, diary: int) -> None:
        self._life = life
        self._diary = diary
        self._passings = 0

    def on_step(self, operation: Operation, step: Step, payment: Payment) -> None:
        row = row_of(operation, payment)
        if row is not None:
            self._pass(row, step, payment.id, payment.attempt)

    def on_callback_step(self, step: CallbackStep) -> None:
        self._pass(Row.CALLBACK, _CALLBACK_STEPS[step], "", 0)

    def _pass(self, row: Row, step: Step, payment: str, attempt: int) -> None:
        entry = Entry(at=time.monotonic(), life=self._life.number, what=step, row=row, payment=payment, attempt=attempt)
        write_entry(self._diary, entry)
        kill = self._life.kill
        if kill is None or (row, step) != (kill.row, kill.step):
            return
        self._passings += 1
        if self._passings != kill.passing:
            return
        if kill.delay_seconds:
            threading.Timer(kill.delay_seconds, self._die, (entry, kill)).start()
        else:
            self._die(entry, kill)

    def _die(self, entry: Entry, kill: Kill) -> None:
        write_entry(self._diary, entry.as_death(kill.column, time.monotonic()))
        os.kill(os.getpid(), signal.SIGKILL)


def _parse(values: dict[str, Any]) -> Life:
    kill = values["kill"]
    return Life(values["number"], values["settings"], Kill(**kill) if kill else None)


def live(values: dict[str, Any]) -> None:
    life = _parse(values)
    os.environ.update(life.settings)
    reaper = Reaper(life, os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    run(lambda: worker.run(ProcessorSettings(), reaper.on_step, reaper.on_callback_step))


if __name__ == "__main__":
    serve_lives(live)
