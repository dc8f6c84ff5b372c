"""Where a processor is to die: the cells of the crash matrix, and a plan of kills that a seed repeats."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final

from gateway_common.payments.model import Operation, Payment
from gateway_processor.steps import Step


class Row(StrEnum):
    """What the processor is at. Whoever comes after a first try, or after an end, asks for the status first."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    STATUS_CHECK = "status check"
    CALLBACK = "callback"
    """Its batch has no lease and no call: it is one transaction, from looking for due ones to its commit."""


@dataclass(frozen=True)
class Column:
    """At a step itself, or some time after it: drawn up to `within_seconds`, to hit what is then in flight."""

    name: str
    step: Step
    within_seconds: float = 0.0


COLUMNS: Final = (
    Column("before claim", Step.CLAIMING),
    Column("claim in flight", Step.CLAIMING, 0.005),
    Column("before claim's commit", Step.CLAIM_COMMITTING),
    Column("claim's commit in flight", Step.CLAIM_COMMITTING, 0.002),
    Column("claimed", Step.CLAIMED),
    Column("before call", Step.CALLING),
    Column("request in flight", Step.CALLING, 0.005),
    Column("during call", Step.CALLING, 0.05),
    Column("answered", Step.ANSWERED),
    Column("before record", Step.RECORDING),
    Column("record in flight", Step.RECORDING, 0.005),
    Column("before record's commit", Step.COMMITTING),
    Column("record's commit in flight", Step.COMMITTING, 0.002),
    Column("recorded", Step.RECORDED),
)
# A claim is a transaction of several statements if a refund is claimed with it; a record, if it settles a refund or an
# order. A void touches neither, and a capture only if the provider refuses it, which the simulator never does.
_UNREACHED: Final = {
    Row.AUTHORIZE: {Step.CLAIM_COMMITTING},
    Row.CAPTURE: {Step.CLAIM_COMMITTING, Step.COMMITTING},
    Row.VOID: {Step.CLAIM_COMMITTING, Step.COMMITTING},
    Row.CALLBACK: set(Step) - {Step.CLAIMING, Step.COMMITTING, Step.RECORDED},
}
CELLS: Final = tuple((row, column) for row in Row for column in COLUMNS if column.step not in _UNREACHED.get(row, ()))


@dataclass(frozen=True, kw_only=True)
class Kill:
    """The end of one process: the n-th time that it passes the cell's step, plus the delay."""

    row: Row
    column: str
    step: Step
    passing: int
    delay_seconds: float
    silent_after_seconds: float


def plan_kills(seed: int, kills: int, *, silent_after_seconds: tuple[float, float]) -> list[Kill]:
    """So many kills, every cell as often as any other, in an order that the seed decides."""
    chance = random.Random(seed)  # noqa: S311 -- a repeatable run is the point.

    def cells() -> Iterator[tuple[Row, Column]]:
        while True:
            yield from chance.sample(CELLS, len(CELLS))

    return [
        Kill(
            row=row,
            column=column.name,
            step=column.step,
            passing=chance.choice((1, 1, 2, 3)),
            delay_seconds=chance.uniform(0, column.within_seconds),
            silent_after_seconds=round(chance.uniform(*silent_after_seconds), 2),
        )
        for row, column in islice(cells(), kills)
    ]


def row_of(operation: Operation, payment: Payment) -> Row | None:
    """The row of a payment under its new lease; None for what asks no provider."""
    if operation is Operation.EXPIRE:
        return None
    if operation is Operation.INQUIRE or payment.operation_attempt > 1:
        return Row.STATUS_CHECK
    return Row(operation.value)


def matrix(kills: Iterable[tuple[Row, str]]) -> str:
    """The kills by row and column, with their sums; a dash where the row has no such step."""
    counts = Counter(kills)
    cells = {(row, column.name) for row, column in CELLS}
    lines = [["", *Row, "all"]]
    for column in COLUMNS:
        found = [str(counts[row, column.name]) if (row, column.name) in cells else "-" for row in Row]
        lines.append([column.name, *found, str(sum(counts[row, column.name] for row in Row))])
    sums = [sum(count for (row, _), count in counts.items() if row is each) for each in Row]
    lines.append(["all", *map(str, sums), str(counts.total())])
    widths = [max(map(len, values)) for values in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(value.ljust(width) if place == 0 else value.rjust(width) for place, (value, width) in enumerate(line))
        for line in (zip(each, widths, strict=True) for each in lines)
    )
