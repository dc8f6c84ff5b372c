"""The one error a person at the terminal sees: a sentence and an exit status, never a traceback."""


class Failure(Exception):  # noqa: N818 - It is what the person reads, not a fault in the program.
    """What went wrong, in one sentence that also says what to do about it."""

    exit_status = 1


class UnansweredFailure(Failure):
    """A question could not be asked, which is not the same as a bad answer."""

    exit_status = 2


class UsageFailure(Failure):
    """The command or a setting was wrong; nothing was started."""

    exit_status = 2
