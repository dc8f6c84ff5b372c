"""The simulator's callbacks. It lives in our database, so it calls by a row, as the API stores what others send."""

from datetime import datetime

from gateway_common.callbacks.model import Callback
from gateway_common.ids import CALLBACK, new_id
from gateway_common.simulator.model import callback_body
from gateway_common.simulator.store import SimulatedCallback


def simulated_callbacks(due: SimulatedCallback, *, provider: str, now: datetime) -> list[Callback]:
    """The copies of one callback: all name the same event, so that one of them is stored."""
    return [
        Callback(
            id=new_id(CALLBACK, now),
            provider=provider,
            event_id=due.event_id,
            payment_id=due.payment_id,
            body=callback_body(due.event_id, due.payment_id, due.outcome),
            received_at=now,
        )
        for _ in range(due.copies)
    ]
