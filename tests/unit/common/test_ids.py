"""Ids name their noun, sort by time, and are never given twice."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_common import ids
from gateway_common.ids import PAYMENT, first_id, new_id

PREFIXES = {
    "PAYMENT": "pay_",
    "REFUND": "rfnd_",
    "ORDER": "ord_",
    "LEDGER_ENTRY": "ent_",
    "EVENT": "evt_",
    "WEBHOOK_ENDPOINT": "we_",
    "MERCHANT": "mer_",
    "TEST_KEY": "key_test_",
    "LIVE_KEY": "key_live_",
    "WORKER": "wrk_",
    "REQUEST": "req_",
}
NOW = datetime(2026, 11, 23, 14, 5, 6, 789_000, tzinfo=UTC)

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(("name", "prefix"), PREFIXES.items())
def test_an_id_begins_with_its_nouns_prefix(name: str, prefix: str) -> None:
    assert getattr(ids, name) == prefix
    assert re.fullmatch(rf"{prefix}[0-9a-v]+", new_id(prefix, NOW))


@given(MOMENTS, st.integers(1, 10**10))
def test_a_newer_id_sorts_after_an_older_one(moment: datetime, milliseconds: int) -> None:
    older = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    newer = older + timedelta(milliseconds=milliseconds)

    assert new_id("pay_", older) < new_id("pay_", newer)


def test_ids_of_one_moment_differ() -> None:
    made = {new_id("pay_", NOW) for _ in range(10_000)}

    assert len(made) == 10_000


def test_all_ids_have_one_length_so_that_their_order_is_their_texts_order() -> None:
    moments = [datetime(1971, 1, 1, tzinfo=UTC), NOW, datetime(2900, 1, 1, tzinfo=UTC)]

    assert len({len(new_id("evt_", moment)) for moment in moments}) == 1


def test_the_time_zone_of_the_clock_does_not_change_the_order() -> None:
    india = NOW.astimezone(datetime.strptime("+0530", "%z").tzinfo)

    assert new_id("pay_", india)[:16] == new_id("pay_", NOW)[:16]


def to_the_millisecond(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(MOMENTS, st.timedeltas(timedelta(milliseconds=-3), timedelta(milliseconds=3)))
def test_a_bound_parts_the_ids_made_before_a_moment_from_those_made_at_it_or_later(
    bound: datetime, apart: timedelta
) -> None:
    made_at = to_the_millisecond(bound + apart)

    assert (new_id(PAYMENT, made_at) >= first_id(PAYMENT, bound)) == (made_at >= bound)


@given(MOMENTS, MOMENTS)
def test_a_later_moment_never_has_an_earlier_bound(one: datetime, other: datetime) -> None:
    assert (one <= other) <= (first_id(PAYMENT, one) <= first_id(PAYMENT, other))


ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=ZONES, allow_imaginary=False))
def test_any_moment_that_can_be_written_down_has_a_bound_among_ids(moment: datetime) -> None:
    bound = first_id(PAYMENT, moment)

    assert re.fullmatch(r"pay_[0-9a-f]{12}", bound)
    assert (bound > new_id(PAYMENT, NOW)) == (moment > NOW)


def test_a_bound_is_the_same_moment_in_every_zone() -> None:
    india = timezone(timedelta(hours=5, minutes=30))

    assert first_id(PAYMENT, NOW.astimezone(india)) == first_id(PAYMENT, NOW)
