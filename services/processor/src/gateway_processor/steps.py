"""The steps of a job by name, so that a test can end the process at each of them and see who goes on."""

from collections.abc import Callable
from enum import StrEnum

from gateway_common.payments.model import Operation, Payment


class Step(StrEnum):
    CLAIMING = "claiming"
    """Before the claim's statement is sent."""
    CLAIM_COMMITTING = "claim_committing"
    """What a claim of several statements changes is written, and not committed."""
    CLAIMED = "claimed"
    """The claim is committed."""
    CALLING = "calling"
    """Before the provider is asked."""
    ANSWERED = "answered"
    """The provider has answered, and only this process knows."""
    RECORDING = "recording"
    """Before the record's statement is sent."""
    COMMITTING = "committing"
    """What a record of several statements changes is written, and not committed."""
    RECORDED = "recorded"
    """The record is committed."""


OnStep = Callable[[Operation, Step, Payment], None]
"""Takes the payment under its new lease: `operation_attempt` says whether this is a first try or a status check."""


def pass_by(_: Operation, __: Step, ___: Payment) -> None:
    """Nobody watches."""


class CallbackStep(StrEnum):
    """The steps of a batch of providers' callbacks."""

    HANDLING = "handling"
    """Before due callbacks are looked for."""
    COMMITTING = "committing"
    """What follows from them is written, and not committed."""
    HANDLED = "handled"
    """It is committed, and nobody is rung yet."""


OnCallbackStep = Callable[[CallbackStep], None]


def pass_callback_by(_: CallbackStep) -> None:
    """Nobody watches."""
