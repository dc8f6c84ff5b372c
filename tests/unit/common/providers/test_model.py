"""Who serves a payment: the closest route counts alone, and nobody is asked for what it can't do."""

import pytest
from tests.support.examples import NOW

from gateway_common.errors import NoProviderError, UnprocessableError
from gateway_common.payments.model import PaymentMethod
from gateway_common.providers.model import Route, by_scope, check_served, decide_route, find_providers, route_snapshot


def route(
    *names: str, merchant_id: str | None = None, method: PaymentMethod | None = None, livemode: bool = False
) -> Route:
    return decide_route(names, livemode=livemode, merchant_id=merchant_id, method=method, now=NOW)


def served(routes: list[Route], method: PaymentMethod, *, merchant_id: str = "mer_1", livemode: bool = False) -> str:
    return ",".join(find_providers(by_scope(routes), merchant_id=merchant_id, livemode=livemode, method=method))


CARD, UPI = PaymentMethod.CARD, PaymentMethod.UPI


def test_the_merchants_own_route_comes_before_the_methods_and_that_before_everybodys() -> None:
    everybody, cards = route("simulator"), route("stripe", "simulator", method=CARD)
    own, own_cards = route("simulator", merchant_id="mer_1"), route("stripe", merchant_id="mer_1", method=CARD)

    assert served([everybody], CARD) == "simulator"
    assert served([cards, everybody], CARD) == "stripe,simulator"
    assert served([cards, everybody], UPI) == "simulator"
    assert served([cards, own, everybody], CARD) == "simulator"
    assert served([own_cards, cards, own], CARD) == "stripe"
    assert served([own_cards, cards, own], CARD, merchant_id="mer_2") == "stripe,simulator"


def test_modes_do_not_mix_and_without_a_route_there_is_nobody() -> None:
    live = route("stripe", livemode=True)

    assert served([live], CARD) == ""
    assert served([live], CARD, livemode=True) == "stripe"


def test_a_provider_of_a_route_for_all_methods_is_asked_only_for_those_it_can() -> None:
    assert served([route("stripe", "simulator")], UPI) == "simulator"
    assert served([route("stripe", livemode=True)], UPI, livemode=True) == ""


@pytest.mark.parametrize(
    ("names", "livemode", "method", "reason"),
    [
        ((), False, None, "names 1 to 8"),
        (("paypal",), False, None, "no provider 'paypal'"),
        (("simulator",), True, None, "takes no live payments"),
        (("stripe",), False, UPI, "takes no test payments by upi"),
    ],
)
def test_a_route_that_can_not_be_served_is_refused(
    names: tuple[str, ...], reason: str, method: PaymentMethod | None, *, livemode: bool
) -> None:
    with pytest.raises(UnprocessableError, match=reason):
        route(*names, livemode=livemode, method=method)


def test_a_name_given_twice_counts_once() -> None:
    assert route("simulator", "stripe", "simulator").providers == ("simulator", "stripe")


def test_nobody_to_ask_is_an_error_that_says_for_what() -> None:
    check_served(("simulator",), livemode=False, method=CARD)
    with pytest.raises(NoProviderError, match="live payments by upi"):
        check_served((), livemode=True, method=UPI)


def test_a_route_is_shown_with_its_mode_in_words() -> None:
    assert route_snapshot(route("simulator")) == {
        "mode": "test",
        "merchant_id": None,
        "method": None,
        "providers": ["simulator"],
        "updated_at": "2026-11-23T14:05:06.789Z",
    }
