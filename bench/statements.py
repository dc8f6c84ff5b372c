"""Which SQL statements a service sends, counted where it hands them to the driver: PostgreSQL's own counter of
statements is not in the embedded server.

`python -m bench.statements OUTPUT MODULE` is the counted service. It counts from START_SIGNAL on and writes at its end.
"""

import json
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from bench.profiling import START_SIGNAL
from sqlalchemy import event
from sqlalchemy.engine import Engine

SIMULATOR, UPKEEP = "the simulator's account", "sweeps, renewals, measures"
CLAIM_DELIVERIES, LOOK, OUTCOME, HEALTH = "claim", "look that found nothing", "outcome", "health"
# In this order: the first mark that stands in a statement says what it is.
_MARKS = {
    "left_over": CLAIM_DELIVERIES,
    "INSERT INTO webhook_attempts": OUTCOME,
    "FROM webhook_endpoint_health\nWHERE endpoint_id = ANY": HEALTH,
    "%(healths)s": HEALTH,
    "simulator_operations": SIMULATOR,
    "leased_at = now()": "claim",
    "recorded_answer": "record",
    "payments.id = ANY": "read",
}


def counted(module: str, output: Path) -> list[str]:
    """The arguments that make Python run `module` under the counter."""
    return ["-m", "bench.statements", str(output), module]


def kind_of(statement: str, rows: int) -> str:
    kind = next((kind for mark, kind in _MARKS.items() if mark in statement), UPKEEP)
    return LOOK if kind == CLAIM_DELIVERIES and not rows and "left_over" in statement else kind


def main() -> None:
    output, module = sys.argv[1:]
    sys.argv = [module]
    counts: Counter[str] = Counter()

    def count(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        counts[kind_of(statement, cursor.rowcount)] += 1

    signal.signal(START_SIGNAL, lambda *_: event.listen(Engine, "after_cursor_execute", count))
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        Path(output).write_text(json.dumps(counts))


if __name__ == "__main__":
    main()
