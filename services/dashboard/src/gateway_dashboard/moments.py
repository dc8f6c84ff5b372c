"""Times as a person reads them. The server knows no reader's time zone, so it says which one it means."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """A time twice: for machines, and in words."""

    iso: str
    text: str


def parse_moment(iso: str) -> Moment:
    """The API's RFC 3339 time: `2026-11-23T13:30:15.947Z` is `23 Nov 2026, 13:30:15 UTC`."""
    moment = datetime.fromisoformat(iso)
    return Moment(iso, f"{moment.day} {moment:%b %Y, %H:%M:%S} UTC")
