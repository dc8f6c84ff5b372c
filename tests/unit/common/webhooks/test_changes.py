"""What a merchant may change of an endpoint, of its secret, and of when a delivery is tried."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.examples import NOW

from gateway_common.errors import (
    DeliveryStateError,
    EndpointLimitError,
    EndpointStateError,
    NoSecretRotationError,
    SecretRotationError,
)
from gateway_common.webhooks.changes import (
    ENDPOINTS_MOST,
    DeliveryStanding,
    check_enabled,
    check_retry,
    check_room,
    decide_change,
    decide_promotion,
    decide_rotation,
    without_ended_secret,
)
from gateway_common.webhooks.model import DisabledReason, EndpointStatus, WebhookEndpoint

DAY = timedelta(days=1)
LATER = NOW + timedelta(hours=1)
ENDPOINT = WebhookEndpoint(
    id="we_1",
    merchant_id="mer_test",
    livemode=False,
    url="https://shop.example/hooks",
    description=None,
    event_types=[],
    status=EndpointStatus.ENABLED,
    sealed_secret=b"first",
    created_at=NOW,
    updated_at=NOW,
)
ROTATED = decide_rotation(ENDPOINT, b"second", overlap=DAY, now=NOW)


def test_there_is_room_for_fifty_endpoints() -> None:
    check_room(ENDPOINTS_MOST - 1)
    with pytest.raises(EndpointLimitError):
        check_room(ENDPOINTS_MOST)


def test_a_change_is_one_version_whatever_it_changes() -> None:
    changed = decide_change(ENDPOINT, {"description": "Shop", "max_in_flight": 2}, EndpointStatus.PAUSED, now=LATER)

    assert changed == replace(
        ENDPOINT, description="Shop", max_in_flight=2, status=EndpointStatus.PAUSED, version=2, updated_at=LATER
    )


@pytest.mark.parametrize(
    ("values", "status"), [({}, None), ({}, EndpointStatus.ENABLED), ({"description": None, "event_types": []}, None)]
)
def test_what_is_so_already_is_no_change(values: dict[str, Any], status: EndpointStatus | None) -> None:
    assert decide_change(ENDPOINT, values, status, now=LATER) is None


def test_an_endpoint_that_is_enabled_again_is_disabled_for_no_reason() -> None:
    disabled = replace(ENDPOINT, status=EndpointStatus.DISABLED, disabled_reason=DisabledReason.GONE)

    changed = decide_change(disabled, {}, EndpointStatus.ENABLED, now=LATER)

    assert changed == replace(ENDPOINT, version=2, updated_at=LATER)


def test_a_rotation_keeps_the_old_secret_for_the_overlap() -> None:
    assert replace(ENDPOINT, version=2) == replace(
        ROTATED, sealed_secret=b"first", sealed_old_secret=None, old_secret_until=None
    )
    assert (ROTATED.sealed_secret, ROTATED.sealed_old_secret, ROTATED.old_secret_until) == (
        b"second", b"first", NOW + DAY,
    )  # fmt: skip
    at_once = decide_rotation(ENDPOINT, b"second", overlap=timedelta(), now=NOW)
    assert (at_once.sealed_secret, at_once.sealed_old_secret, at_once.old_secret_until) == (b"second", None, None)


def test_no_rotation_while_the_old_secret_is_the_plain_headers() -> None:
    with pytest.raises(SecretRotationError, match=r"until 2026-11-24T14:05:06\.789Z"):
        decide_rotation(ROTATED, b"third", overlap=DAY, now=NOW + DAY - timedelta(milliseconds=1))

    ended = decide_rotation(ROTATED, b"third", overlap=DAY, now=NOW + DAY)
    promoted = decide_promotion(ROTATED, now=LATER)
    assert promoted is not None
    again = decide_rotation(promoted, b"third", overlap=DAY, now=LATER)
    for rotated in (ended, again):
        assert (rotated.sealed_secret, rotated.sealed_old_secret, rotated.promoted_at) == (b"third", b"second", None)


def test_a_secret_that_leaked_is_ended_in_one_call_also_during_a_rotation() -> None:
    at_once = decide_rotation(ROTATED, b"third", overlap=timedelta(), now=LATER)

    assert (at_once.sealed_secret, at_once.sealed_old_secret, at_once.old_secret_until) == (b"third", None, None)


def test_promoting_is_done_once_and_only_beside_an_old_secret() -> None:
    promoted = decide_promotion(ROTATED, now=LATER)

    assert promoted == replace(ROTATED, promoted_at=LATER, version=3, updated_at=LATER)
    assert decide_promotion(promoted, now=LATER) is None
    for endpoint, now in ((ENDPOINT, NOW), (ROTATED, NOW + DAY), (promoted, NOW + DAY)):
        with pytest.raises(NoSecretRotationError):
            decide_promotion(endpoint, now=now)


def test_an_old_secret_goes_with_the_next_change_after_its_end() -> None:
    promoted = replace(ROTATED, promoted_at=LATER)
    just_before = NOW + DAY - timedelta(milliseconds=1)

    assert without_ended_secret(promoted, just_before) is promoted
    assert decide_change(promoted, {}, None, now=NOW + DAY) is None
    for status in (None, EndpointStatus.PAUSED):
        changed = decide_change(promoted, {"description": "Shop"}, status, now=NOW + DAY)
        assert changed is not None
        assert (changed.sealed_old_secret, changed.old_secret_until, changed.promoted_at) == (None, None, None)
        assert changed.version == ROTATED.version + 1


@pytest.mark.parametrize("status", [each for each in EndpointStatus if each is not EndpointStatus.ENABLED])
def test_only_an_enabled_endpoint_takes_anything(status: EndpointStatus) -> None:
    with pytest.raises(EndpointStateError, match=status):
        check_enabled("we_1", status)
    with pytest.raises(EndpointStateError, match="we_1"):
        check_retry(DeliveryStanding(leased=True, endpoint_id="we_1", endpoint_status=status))


def test_a_delivery_is_tried_again_unless_it_is_being_tried() -> None:
    check_enabled("we_1", EndpointStatus.ENABLED)
    check_retry(DeliveryStanding(leased=False, endpoint_id="we_1", endpoint_status=EndpointStatus.ENABLED))
    with pytest.raises(DeliveryStateError):
        check_retry(DeliveryStanding(leased=True, endpoint_id="we_1", endpoint_status=EndpointStatus.ENABLED))
