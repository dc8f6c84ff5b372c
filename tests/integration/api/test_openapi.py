"""The OpenAPI document: valid 3.1, complete, and in keeping with what the API does."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.support.api import NEW_PAYMENT, NO_DATABASE, NO_REDIS, Api, expect, running_api

from gateway_api.fields import PATTERNS
from gateway_common.errors import error_kinds
from gateway_common.timeline.model import EntryKind

MERCHANT: list[dict[str, list[str]]] = [{"ApiKey": [], "ApiSecret": []}, {"Basic": []}]
PUBLISHABLE: list[dict[str, list[str]]] = [{"ApiKey": []}]
WITH_TOKEN: list[dict[str, list[str]]] = [{"ApiKey": [], "ClientToken": []}]
OPEN: list[dict[str, list[str]]] = []
# Every route with its success, the model of its answer, and who may call it.
ROUTES = {
    "POST /api/v1/orders": (201, "OrderBody", MERCHANT),
    "GET /api/v1/orders": (200, "OrderPage", MERCHANT),
    "GET /api/v1/orders/{order_id}": (200, "OrderBody", MERCHANT),
    "POST /api/v1/payments": (201, "PaymentBody", MERCHANT),
    "GET /api/v1/payments": (200, "PaymentPage", MERCHANT),
    "GET /api/v1/payments/{payment_id}": (200, "PaymentBody", MERCHANT),
    "POST /api/v1/payments/{payment_id}/capture": (200, "PaymentBody", MERCHANT),
    "POST /api/v1/payments/{payment_id}/cancel": (200, "PaymentBody", MERCHANT),
    "GET /api/v1/payments/{payment_id}/timeline": (200, "TimelineBody", MERCHANT),
    "POST /api/v1/payments/{payment_id}/refunds": (201, "RefundBody", MERCHANT),
    "GET /api/v1/payments/{payment_id}/refunds": (200, "RefundPage", MERCHANT),
    "GET /api/v1/refunds": (200, "RefundPage", MERCHANT),
    "GET /api/v1/refunds/{refund_id}": (200, "RefundBody", MERCHANT),
    "POST /api/v1/webhook-endpoints": (201, "CreatedEndpointBody", MERCHANT),
    "GET /api/v1/webhook-endpoints": (200, "EndpointPage", MERCHANT),
    "GET /api/v1/webhook-endpoints/{endpoint_id}": (200, "EndpointDetailBody", MERCHANT),
    "PATCH /api/v1/webhook-endpoints/{endpoint_id}": (200, "EndpointBody", MERCHANT),
    "DELETE /api/v1/webhook-endpoints/{endpoint_id}": (204, None, MERCHANT),
    "GET /api/v1/webhook-endpoints/{endpoint_id}/secret": (200, "SecretBody", MERCHANT),
    "POST /api/v1/webhook-endpoints/{endpoint_id}/rotate-secret": (200, "CreatedEndpointBody", MERCHANT),
    "POST /api/v1/webhook-endpoints/{endpoint_id}/promote-secret": (200, "EndpointBody", MERCHANT),
    "POST /api/v1/webhook-endpoints/{endpoint_id}/ping": (201, "DeliveryBody", MERCHANT),
    "POST /api/v1/webhook-endpoints/{endpoint_id}/replay": (201, "ReplayBody", MERCHANT),
    "GET /api/v1/webhook-endpoints/{endpoint_id}/replays": (200, "ReplayPage", MERCHANT),
    "GET /api/v1/webhook-replays/{replay_id}": (200, "ReplayBody", MERCHANT),
    "POST /api/v1/webhook-endpoints/{endpoint_id}/check-signature": (200, "SignatureCheckBody", MERCHANT),
    "GET /api/v1/webhook-deliveries": (200, "DeliveryPage", MERCHANT),
    "GET /api/v1/webhook-deliveries/{delivery_id}": (200, "DeliveryDetailBody", MERCHANT),
    "POST /api/v1/webhook-deliveries/{delivery_id}/retry": (200, "DeliveryBody", MERCHANT),
    "GET /api/v1/events": (200, "EventPage", MERCHANT),
    "GET /api/v1/events/{event_id}": (200, "EventBody", MERCHANT),
    "GET /api/v1/balance": (200, "BalanceBody", MERCHANT),
    "GET /api/v1/ledger/entries": (200, "LedgerEntryPage", MERCHANT),
    "GET /api/v1/idempotency/{key}": (200, "KeyUsePage", MERCHANT),
    "POST /api/v1/api-keys": (201, "CreatedKeyBody", MERCHANT),
    "GET /api/v1/api-keys": (200, "KeyPage", MERCHANT),
    "GET /api/v1/api-keys/{key_id}": (200, "KeyBody", MERCHANT),
    "POST /api/v1/api-keys/{key_id}/rotate": (201, "CreatedKeyBody", MERCHANT),
    "POST /api/v1/api-keys/{key_id}/revoke": (200, "KeyBody", MERCHANT),
    "GET /api/v1/checkout/orders/{order_id}": (200, "CheckoutOrderBody", PUBLISHABLE),
    "POST /api/v1/checkout/payments": (201, "CreatedCheckoutPaymentBody", PUBLISHABLE),
    "GET /api/v1/checkout/payments/{payment_id}": (200, "CheckoutPaymentBody", WITH_TOKEN),
    "POST /api/v1/providers/{name}/callbacks": (200, "ReceivedBody", OPEN),
    "GET /api/v1/test/jobs/status": (200, "JobsStatus", OPEN),
    "POST /api/v1/test/payments/{payment_id}/outcome": (200, "PaymentBody", MERCHANT),
}
KEYED_POSTS = {name for name in ROUTES if name.startswith("POST ")} - {"POST /api/v1/providers/{name}/callbacks"}
"""A provider names what it tells by itself."""


@pytest.fixture(scope="module")
def document(master_key: str) -> dict[str, Any]:
    """The document as anybody can read it; nothing else has to be there for that."""

    async def read() -> dict[str, Any]:
        async with running_api(NO_DATABASE, NO_REDIS, master_key) as api, api.browser() as anybody:
            found: dict[str, Any] = expect(200, await anybody.get("/openapi.json"))
        return found

    return asyncio.run(read())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def values_of(name: str, node: Any) -> Iterator[Any]:
    """Every value of this name, at any depth."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == name:
            yield value
        yield from values_of(name, value)


def test_it_is_a_valid_document_of_version_3_1(document: dict[str, Any]) -> None:
    OpenAPI.model_validate(document)
    OpenAPIV31SpecValidator(document).validate()

    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])


def test_every_route_is_listed_with_its_answer_and_its_security(document: dict[str, Any]) -> None:
    listed = {}
    for name, operation in operations(document):
        (status,) = (int(status) for status in operation["responses"] if status.startswith("2"))
        content = operation["responses"][str(status)].get("content", {})
        model = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
        listed[name] = (status, model or None, operation["security"])

    assert listed == ROUTES


def test_every_reference_and_every_scheme_is_there(document: dict[str, Any]) -> None:
    components = document["components"]

    for reference in values_of("$ref", document):
        _, _, kind, name = reference.split("/")
        assert name in components[kind]
    for _, operation in operations(document):
        for requirement in operation["security"]:
            assert requirement.keys() <= components["securitySchemes"].keys()


async def test_errors_are_described_in_the_shape_they_have(api: Api, document: dict[str, Any]) -> None:
    error = (await api.client.get("/api/v1/nothing")).json()["error"]

    schemas = document["components"]["schemas"]
    assert set(schemas["ErrorContent"]["properties"]) == set(error)
    for _, operation in operations(document):
        schema = operation["responses"]["default"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/ErrorBody"}
    assert not any("HTTPValidationError" in name for name in schemas)


def test_every_post_of_a_merchant_takes_an_idempotency_key(document: dict[str, Any]) -> None:
    taking = {
        name
        for name, operation in operations(document)
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", []))
    }

    assert taking == KEYED_POSTS


def test_the_errors_that_a_route_can_give_are_listed(document: dict[str, Any]) -> None:
    listed = {
        name: [int(status) for status in operation["responses"] if status != "default" and not status.startswith("2")]
        for name, operation in operations(document)
    }

    assert listed["POST /api/v1/payments"] == [400, 401, 403, 409, 413, 415, 422, 429, 503]
    assert listed["GET /api/v1/payments/{payment_id}"] == [400, 401, 403, 404, 422, 429, 503]
    assert listed["POST /api/v1/providers/{name}/callbacks"] == [400, 401, 404, 413, 415, 422, 429, 503]
    assert listed["GET /api/v1/test/jobs/status"] == [400, 422, 503]
    for kind in error_kinds():
        described = document["components"]["responses"].get(f"Error{kind.status}")
        assert described is None or kind.code in described["description"]


def test_the_headers_of_each_answer_are_listed(document: dict[str, Any]) -> None:
    limits = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}
    for name, operation in operations(document):
        (success,) = (response for status, response in operation["responses"].items() if status.startswith("2"))
        replayed = {"Idempotent-Replayed"} if name in KEYED_POSTS else set()
        assert set(success["headers"]) == {"X-Request-Id"} | (limits if operation["security"] else set()) | replayed
        assert set(operation["responses"]["default"]["headers"]) == {"X-Request-Id"}
    errors = {name: set(each["headers"]) for name, each in document["components"]["responses"].items()}
    assert {name for name, headers in errors.items() if "Retry-After" in headers} == {
        "Error409",
        "Error429",
        "Error503",
    }
    assert errors["Error429"] == {"X-Request-Id", "Retry-After"} | limits
    assert all("X-Request-Id" in headers for headers in errors.values())


async def test_answers_bear_the_headers_that_are_listed(api: Api, document: dict[str, Any]) -> None:
    for _ in range(2):
        created = await api.client.post(
            "/api/v1/payments", json=NEW_PAYMENT, headers={"Idempotency-Key": "twice-the-same"}
        )

    listed = document["paths"]["/api/v1/payments"]["post"]["responses"]["201"]["headers"]
    assert {name for name in listed if name in created.headers} == set(listed)
    assert (
        created.headers["idempotent-replayed"]
        in document["components"]["headers"]["Idempotent-Replayed"]["schema"]["enum"]
    )


def test_summaries_are_unique_and_operations_have_short_names(document: dict[str, Any]) -> None:
    named = {name: (each["operationId"], each["summary"]) for name, each in operations(document)}

    assert len({summary for _, summary in named.values()}) == len(named)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+){1,3}", identifier) for identifier, _ in named.values())
    assert named["POST /api/v1/payments"] == ("create_payment", "Create a payment")
    assert named["POST /api/v1/checkout/payments"] == ("create_checkout_payment", "Pay at checkout")
    assert named["GET /api/v1/events"] == ("list_events", "List events")


def test_entries_of_a_timeline_are_told_apart_by_their_kind(document: dict[str, Any]) -> None:
    entry = document["components"]["schemas"]["TimelineBody"]["properties"]["entries"]["items"]

    assert entry["discriminator"]["propertyName"] == "kind"
    assert set(entry["discriminator"]["mapping"]) == set(EntryKind)
    assert {each["$ref"] for each in entry["oneOf"]} == set(entry["discriminator"]["mapping"].values())


def test_it_is_said_that_a_secret_is_not_looked_up(document: dict[str, Any]) -> None:
    assert (
        "null for an answer that held a secret" in document["paths"]["/api/v1/idempotency/{key}"]["get"]["description"]
    )
    body = document["components"]["schemas"]["KeyUseBody"]["properties"]["response_body"]
    assert body["description"] == "Null if the answer held a secret."


def test_every_route_is_described_and_so_is_its_tag(document: dict[str, Any]) -> None:
    described = {tag["name"] for tag in document["tags"] if tag["description"]}

    for name, operation in operations(document):
        assert operation["description"], name
        assert set(operation["tags"]) <= described, name


def test_no_parameter_can_be_null(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for parameter in operation.get("parameters", []):
            assert {"type": "null"} not in parameter["schema"].get("anyOf", []), name


def test_operation_ids_are_unique_and_every_path_parameter_is_declared(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]

    assert len(set(ids)) == len(ids)
    for name, operation in operations(document):
        declared = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert declared == set(re.findall(r"\{(\w+)\}", name))


def test_every_pattern_can_be_explained_in_words(document: dict[str, Any]) -> None:
    """Those that Pydantic checks are in PATTERNS; for these others the code that checks them has its own words."""
    others = {pattern for pattern in values_of("pattern", document) if "[Hh][Tt][Tt][Pp]" in pattern}

    assert set(values_of("pattern", document)) <= set(PATTERNS) | others


async def test_answers_hold_exactly_what_their_models_describe(api: Api, document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    payment_id = await api.create_captured()
    refund = expect(201, await api.client.post(f"/api/v1/payments/{payment_id}/refunds", json={"amount": 1}))
    endpoint = expect(201, await api.client.post("/api/v1/webhook-endpoints", json={"url": "https://shop.example"}))
    payment = await api.create()
    key = expect(201, await api.client.post("/api/v1/api-keys", json={"scopes": ["read"]}))
    (delivery,) = expect(200, await api.client.get("/api/v1/webhook-deliveries"))["data"]
    delivery_detail = expect(200, await api.client.get(f"/api/v1/webhook-deliveries/{delivery['id']}"))
    path = f"/api/v1/webhook-endpoints/{endpoint['id']}"
    endpoint_detail = expect(200, await api.client.get(path))
    secret = expect(200, await api.client.get(f"{path}/secret"))
    replay = expect(201, await api.client.post(f"{path}/replay"))
    check = expect(200, await api.client.post(f"{path}/check-signature", json={"headers": {}, "body": ""}))

    for model, shown in (
        ("PaymentBody", payment),
        ("RefundBody", refund),
        ("CreatedEndpointBody", endpoint),
        ("EndpointDetailBody", endpoint_detail),
        ("HealthBody", endpoint_detail["health"]),
        ("SecretBody", secret),
        ("ReplayBody", replay),
        ("DeliveryBody", delivery),
        ("DeliveryDetailBody", delivery_detail),
        ("CreatedKeyBody", key),
        ("SignatureCheckBody", check),
        ("FindingBody", check["findings"][0]),
    ):
        assert set(schemas[model]["properties"]) == set(shown)
        assert set(schemas[model]["required"]) == set(shown)
