"""The routing table: one route for each merchant, mode and method, and a book that notices changes in time."""

from tests.support.examples import NOW
from tests.support.records import write_rows

from gateway_common.db.database import Database
from gateway_common.merchants.seed import TEST_MERCHANT_ID
from gateway_common.payments.model import PaymentMethod
from gateway_common.providers.book import RouteBook
from gateway_common.providers.model import Route, decide_route
from gateway_common.providers.store import delete_route, list_routes, save_route


def route(*names: str, merchant_id: str | None = None, method: PaymentMethod | None = None) -> Route:
    return decide_route(names, livemode=False, merchant_id=merchant_id, method=method, now=NOW)


async def save(database: Database, *routes: Route) -> None:
    async with database.transaction() as connection:
        for each in routes:
            await save_route(connection, each)


async def read(database: Database) -> list[Route]:
    async with database.statement() as connection:
        return await list_routes(connection)


async def test_a_new_database_sends_all_test_payments_to_the_simulator_and_no_live_ones_anywhere(
    database: Database,
) -> None:
    [only] = await read(database)

    assert (only.livemode, only.merchant_id, only.method, only.providers) == (False, None, None, ("simulator",))


async def test_a_route_replaces_the_one_for_the_same_merchant_mode_and_method_only(database: Database) -> None:
    own = route("simulator", merchant_id=TEST_MERCHANT_ID)
    cards = route("stripe", "simulator", method=PaymentMethod.CARD)
    await save(database, own, route("stripe", method=PaymentMethod.CARD))

    await save(database, cards, route("simulator", "stripe"))

    assert await read(database) == [route("simulator", "stripe"), cards, own]


async def test_only_the_route_that_is_meant_is_removed(database: Database) -> None:
    await save(database, route("stripe", method=PaymentMethod.CARD))

    async with database.transaction() as connection:
        for is_there in (True, False):
            assert is_there is await delete_route(
                connection, livemode=False, merchant_id=None, method=PaymentMethod.CARD
            )
        assert not await delete_route(connection, livemode=True, merchant_id=None, method=None)

    assert [each.method for each in await read(database)] == [None]


async def find(book: RouteBook) -> tuple[str, ...]:
    return await book.find(merchant_id=TEST_MERCHANT_ID, livemode=False, method=PaymentMethod.CARD)


async def test_the_book_reads_once_for_many_and_notices_a_change_when_its_page_is_old(database: Database) -> None:
    fresh, old = RouteBook(database, fresh_seconds=60), RouteBook(database, fresh_seconds=0)
    assert await find(fresh) == await find(old) == ("simulator",)

    await write_rows(database, "UPDATE provider_routes SET providers = '{stripe,simulator}'")

    assert await find(fresh) == ("simulator",)
    assert await find(old) == ("stripe", "simulator")
