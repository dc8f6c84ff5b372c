"""Ids name their noun, sort by time, and are never given twice."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_common import ids
from gateway_common.ids import new_id

PREFIXES = {
    "PAYMENT": "pay_",
    "REFUND": "rfnd_",
    "EVENT": "evt_",
    "WEBHOOK_ENDPOINT": "we_",
    "MERCHANT": "mer_",
    "TEST_KEY": "key_test_",
    "LIVE_KEY": "key_live_",
    "WORKER": "wrk_",
    "REQUEST": "req_",
}
NOW = datetime(2026, 11, 23, 14, 5, 6, 789_000, tzinfo=UTC)


@pytest.mark.parametrize(("name", "prefix"), PREFIXES.items())
def test_an_id_begins_with_its_nouns_prefix(name: str, prefix: str) -> None:
    assert getattr(ids, name) == prefix
    assert re.fullmatch(rf"{prefix}[0-9a-v]+", new_id(prefix, NOW))


@given(st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)), st.integers(1, 10**10))  # noqa: DTZ001
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
