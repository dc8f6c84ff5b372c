"""What the doctor says of one thing: that it is fine, or what is wrong and what to do about it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

CLOCK_DIFFERENCE_MOST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    is_fine: bool
    sentence: str


def fine(sentence: str) -> Answer:
    return Answer(is_fine=True, sentence=sentence)


def problem(sentence: str) -> Answer:
    return Answer(is_fine=False, sentence=sentence)


def compare_clocks(whose: str, theirs: datetime, asked: datetime, answered: datetime) -> Answer:
    """Judge a server's clock by ours; it was read at some moment between asking and answering."""
    difference = max(theirs - answered, asked - theirs, timedelta(0))
    seconds = difference.total_seconds()
    if seconds < CLOCK_DIFFERENCE_MOST_SECONDS:
        return fine(f"The clock of {whose} and this machine's differ by less than a second.")
    return problem(f"The clock of {whose} and this machine's differ by {seconds:.1f} s: keep both by NTP.")
