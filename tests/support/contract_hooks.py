"""What Schemathesis must know that no schema can say. It loads this file; each mending has its reason."""

import json
import os
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

KNOWN: dict[str, Any] = json.loads(os.environ["CONTRACT_KNOWN"])
CARDS = ("4242424242424242", "5555555555554444", "4000000000000002", "6527658900001005")
CHANCE = random.Random(1)  # noqa: S311 -- a test's dice, not a secret.


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Mend a valid request where the schema allows more than a schema can take back; invalid ones stay as they are."""
    del context, kwargs
    keep_own_key(case)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if "Idempotency-Key" in case.headers:
        # Schemathesis tries one key with many bodies, which is the misuse that a key is there to find.
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if isinstance(case.body, dict):
        case.body = possible(case.operation.label, whole(case.body))
    if case.query and {"after_sequence", "starting_after"} <= case.query.keys():
        # One or the other: OpenAPI has no word for parameters that exclude each other.
        del case.query["starting_after"]
    if case.path_parameters and CHANCE.random() < 0.5:
        name_what_is_there(case)


def keep_own_key(case: Case[Any]) -> None:
    """The run must not revoke or rotate the key it runs with."""
    if (case.path_parameters or {}).get("key_id") == KNOWN["own_key"]:
        case.path_parameters["key_id"] = CHANCE.choice(KNOWN["ids"]["key_id"])


def possible(label: str, body: dict[str, Any]) -> dict[str, Any]:
    """Values that no schema can tell from possible ones."""
    if label == "POST /api/v1/payments":
        if "order_id" in body:
            # It may be the reference of an order of another amount, or of one that is paid.
            body["order_id"] = f"ref_{uuid.uuid4().hex}"
        if isinstance(card := body.get("card"), dict):
            # The check digit, the present date, and that a CVC has as many digits as its scheme says.
            card |= {"number": CHANCE.choice(CARDS), "exp_year": 2090, "cvc": "123"}
    if label == "POST /api/v1/test/payments/{payment_id}/outcome" and body.get("outcome") != "failed":
        # Only a failure has a reason.
        body.pop("error_code", None)
    if label == "POST /api/v1/orders" and "reference" in body:
        body["reference"] = f"ref_{uuid.uuid4().hex}"
    if label == "POST /api/v1/webhook-endpoints/{endpoint_id}/replay":
        # From before to, and no future.
        body.pop("created_from", None)
        body.pop("created_to", None)
    if label == "POST /api/v1/api-keys" and "expires_at" in body:
        # In the future, and within ten years.
        body["expires_at"] = (datetime.now(UTC) + timedelta(days=CHANCE.randrange(1, 3_000))).isoformat()
    return body


def name_what_is_there(case: Case[Any]) -> None:
    """By chance alone no id is ever met, and all that is proved is that 404 is answered."""
    if case.operation.path == "/api/v1/checkout/payments/{payment_id}":
        case.path_parameters["payment_id"] = KNOWN["checkout"]["payment_id"]
        case.headers["X-Client-Token"] = KNOWN["checkout"]["client_token"]
        return
    if case.operation.label == "POST /api/v1/payments/{payment_id}/refunds":
        # How much is left to refund no schema knows: take so little that there always is.
        if not isinstance(case.body, dict):
            return
        case.body["amount"] = 1
    if case.operation.label == "DELETE /api/v1/webhook-endpoints/{endpoint_id}":
        # The others are for those operations that need one.
        case.path_parameters["endpoint_id"] = CHANCE.choice(KNOWN["ids"]["doomed_endpoint_id"])
        return
    for name in case.path_parameters.keys() & KNOWN["ids"].keys():
        case.path_parameters[name] = CHANCE.choice(KNOWN["ids"][name])


def whole(value: Any) -> Any:
    """JSON Schema calls 500.0 an integer; an amount with a fraction's point is refused, for it comes from a float."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return value
