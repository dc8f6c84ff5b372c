"""Trace contexts are the W3C's or none at all, and no metric has a label that grows with the customers."""

import re

import pytest
from prometheus_client import REGISTRY

from gateway_common import telemetry
from gateway_common.telemetry import new_traceparent, parse_traceparent, trace_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
VALID = f"00-{TRACE}-b7ad6b7169203331-01"
BOUNDED_LABELS = {
    "bucket",
    "check",
    "route",
    "method",
    "status",
    "queue",
    "outcome",
    "operation",
    "mode",
    "provider",
    "window",
    "reason",
    "action",
}


@pytest.mark.parametrize("header", [VALID, VALID[:-2] + "00"])
def test_a_callers_trace_context_is_taken_over(header: str) -> None:
    assert parse_traceparent(header) == header


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        VALID.upper(),
        VALID + "-more",
        VALID + "\n",
        " " + VALID,
        VALID.replace("00-0", "ff-0", 1),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-b7ad6b7169203331-01",
        f"00-{TRACE}-b7ad6b716920333g-01",
    ],
)
def test_what_is_no_trace_context_counts_as_none(header: str | None) -> None:
    assert parse_traceparent(header) is None


def test_a_new_trace_context_is_valid_unsampled_and_new() -> None:
    made = {new_traceparent() for _ in range(100)}

    assert len(made) == 100
    assert all(parse_traceparent(each) == each and each.endswith("-00") for each in made)


def test_the_trace_id_is_the_second_part() -> None:
    assert trace_id(VALID) == TRACE
    assert trace_id(None) is None


def test_every_metric_of_ours_has_the_prefix_and_only_bounded_labels() -> None:
    ours = [collector for collector in vars(telemetry).values() if hasattr(collector, "_labelnames")]

    assert ours
    for collector in ours:
        assert set(collector._labelnames) <= BOUNDED_LABELS, collector._name
        assert re.match(r"gateway_[a-z_]+$", collector._name)
        assert collector in REGISTRY._collector_to_names
