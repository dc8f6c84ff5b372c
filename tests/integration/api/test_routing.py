"""No query parameter is silently ignored, on any route."""

from fastapi.routing import iter_route_contexts
from tests.support.api import Api, expect_error

from gateway_api.routing import StrictRoute

PAYMENTS = "/api/v1/payments"


async def test_an_unknown_query_parameter_is_refused_by_every_route(api: Api) -> None:
    for path, methods in api.app.openapi()["paths"].items():
        for method in methods:
            response = await api.client.request(method, f"{path.replace('{', '').replace('}', '')}?limt=5")

            assert expect_error(422, "validation_failed", response).startswith("limt: is no query parameter"), path
            assert response.json()["error"]["param"] == "limt"


async def test_a_repeated_query_parameter_is_refused(api: Api) -> None:
    for query, param in (("limit=5&limit=5", "limit"), ("status=success&limit=5&status=failed", "status")):
        response = await api.client.get(f"{PAYMENTS}?{query}")

        assert expect_error(422, "validation_failed", response) == f"{param}: is there twice. Send it once."
        assert response.json()["error"]["param"] == param


async def test_a_wrong_query_value_is_told_with_its_parameter(api: Api) -> None:
    for query, message in (
        ("limit=1_0", "limit: must be a whole number."),
        ("limit=0", "limit: must be at least 1."),
        ("limit=101", "limit: must be at most 100."),
        ("starting_after=%00", "starting_after: must be the next_cursor of the page before."),
        ("order_id=", "order_id: must be 1 to 64 visible ASCII characters, without spaces."),
    ):
        response = await api.client.get(f"{PAYMENTS}?{query}")

        assert expect_error(422, "validation_failed", response) == message
        assert response.json()["error"]["param"] == query.partition("=")[0]


CURSORS = {
    "/api/v1/orders": ["ord_1"],
    "/api/v1/payments": ["pay_1"],
    "/api/v1/payments/pay_1/refunds": ["rfnd_1"],
    "/api/v1/refunds": ["rfnd_1"],
    "/api/v1/events": ["evt_1"],
    "/api/v1/ledger/entries": ["ent_1"],
    "/api/v1/webhook-endpoints": ["we_1"],
    "/api/v1/webhook-deliveries": ["dlv_1"],
    "/api/v1/api-keys": ["key_test_1", "key_live_1"],
}


async def test_a_list_goes_on_only_from_an_id_of_its_own(api: Api) -> None:
    """By another noun's id it would begin again, or end."""
    ids = [each for own in CURSORS.values() for each in own]
    for path, own in CURSORS.items():
        for cursor in ids:
            response = await api.client.get(path, params={"starting_after": cursor})

            assert response.status_code == (422 if cursor not in own else 404 if "pay_1" in path else 200), path
            if cursor not in own:
                message = expect_error(422, "validation_failed", response)
                assert message == "starting_after: must be the next_cursor of the page before."


def test_every_route_of_the_api_is_strict(api: Api) -> None:
    """Probes and what is there to be read need not be."""
    routes = [context.original_route for context in iter_route_contexts(api.app.routes)]

    lenient = {getattr(route, "path", "") for route in routes if not isinstance(route, StrictRoute)}
    assert lenient == {"/openapi.json", "/healthz", "/readyz", "/docs/errors"}
