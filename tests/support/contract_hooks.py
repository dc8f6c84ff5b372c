"""What Schemathesis must know that no schema can say. It loads this file; each mending has its reason."""

import json
import os
import random
import uuid
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

KNOWN: dict[str, Any] = json.loads(os.environ["CONTRACT_KNOWN"])
CHANCE = random.Random(1)  # noqa: S311 -- a test's dice, not a secret.


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Mend a valid request where the schema allows more than a schema can take back; invalid ones stay as they are."""
    del context, kwargs
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if "Idempotency-Key" in case.headers:
        # Schemathesis tries one key with many bodies, which is the misuse that a key is there to find.
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if isinstance(case.body, dict):
        case.body = whole(case.body)
    if case.path_parameters and CHANCE.random() < 0.5:
        name_what_is_there(case)


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
