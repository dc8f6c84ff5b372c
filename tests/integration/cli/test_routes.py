"""`gateway routes` as an operator meets it: real processes on a real database, and what they say when asked wrongly."""

import re

import pytest
from tests.integration.cli.conftest import Run, fail, read, succeed

from gateway_common.db.database import Database
from gateway_common.payments.model import PaymentMethod
from gateway_common.providers.book import RouteBook


async def test_a_route_that_is_set_here_is_the_one_that_payments_take(run: Run, database: Database) -> None:
    everybody = read(run("routes", "set", "stripe", "--live", "--json"))
    own = ("routes", "set", "stripe", "simulator", "--test", "--method", "card", "--merchant", "mer_test")
    mine = read(run(*own, "--json"))

    assert {name: mine[name] for name in ("mode", "merchant_id", "method", "providers")} == {
        "mode": "test",
        "merchant_id": "mer_test",
        "method": "card",
        "providers": ["stripe", "simulator"],
    }
    listed = read(run("routes", "list", "--json"))
    assert [(route["mode"], route["merchant_id"], route["providers"]) for route in listed] == [
        ("test", None, ["simulator"]),
        ("test", "mer_test", ["stripe", "simulator"]),
        ("live", None, ["stripe"]),
    ]
    assert everybody in listed
    book = RouteBook(database)
    card = PaymentMethod.CARD
    assert await book.find(merchant_id="mer_test", livemode=False, method=card) == ("stripe", "simulator")
    assert await book.find(merchant_id="mer_other", livemode=False, method=card) == ("simulator",)
    assert await book.find(merchant_id="mer_other", livemode=True, method=card) == ("stripe",)


def test_a_person_reads_where_payments_go_now(run: Run) -> None:
    told = succeed(run("routes", "set", "stripe", "simulator", "--method", "card", "--merchant", "mer_test"))

    assert told == (
        "Test payments by card of mer_test go to stripe and, while that is down, simulator. "
        "Running processes learn of it within 5 s.\n"
    )
    table = succeed(run("routes", "list"))
    assert re.search(r"^test  every     every   simulator +\S+Z$", table, re.MULTILINE)
    assert re.search(r"^test  mer_test  card    stripe simulator  \S+Z$", table, re.MULTILINE)
    removed = succeed(run("routes", "remove", "--method", "card", "--merchant", "mer_test"))
    assert removed.startswith("Test payments by card of mer_test have no route of their own any more.")
    assert [route["merchant_id"] for route in read(run("routes", "list", "--json"))] == [None]


def test_setting_it_again_takes_the_place_of_the_old_one(run: Run) -> None:
    read(run("routes", "set", "stripe", "--json"))
    read(run("routes", "set", "simulator", "stripe", "simulator", "--json"))

    assert [route["providers"] for route in read(run("routes", "list", "--json"))] == [["simulator", "stripe"]]


@pytest.mark.parametrize(
    ("arguments", "exit_status", "sentence"),
    [
        (("set", "paypal"), 2, "There is no provider 'paypal'. There are: simulator, stripe."),
        (("set", "simulator", "--live"), 2, "The provider simulator takes no live payments."),
        (("set", "stripe", "--method", "upi"), 2, "The provider stripe takes no test payments by upi."),
        (("set", "stripe", "--method", "cash"), 2,
         "--method must be one of upi, card, netbanking, wallet, not 'cash'."),
        (("set", "stripe", "--merchant", "mer_x"), 1, "There is no such merchant."),
        (("remove", "--merchant", "mer_x"), 1, "There is no such merchant."),
        (("remove", "--live"), 1, "There is no such route."),
        (("remove", "--method", "card"), 1, "There is no such route."),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_in_a_sentence(
    run: Run, arguments: tuple[str, ...], exit_status: int, sentence: str
) -> None:
    before = read(run("routes", "list", "--json"))

    assert fail(exit_status, run("routes", *arguments)) == sentence
    assert read(run("routes", "list", "--json")) == before
