"""The inspector of idempotency keys: which request a key answered, with what, and how often again."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import respond_page
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import PathKey
from gateway_api.idempotency import Idempotency
from gateway_api.idempotency_keys.schemas import KeyUsePage
from gateway_api.routing import StrictRouter
from gateway_common.errors import NotFoundError
from gateway_common.idempotency.model import key_use_snapshot
from gateway_common.merchants.model import Scope


def idempotency_routes(idempotency: Idempotency, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/idempotency", tags=["idempotency"])
    reader = Depends(authenticator.may(Scope.READ))

    @router.get("/{key:path}", summary="Look up an Idempotency-Key", responses={200: {"model": KeyUsePage}})
    async def get_idempotency_key(request: Request, key: PathKey, caller: Annotated[Caller, reader]) -> Response:
        """What was answered under an Idempotency-Key: one entry for each route it was used on.

        `response_body` is null for an answer that held a secret: that is shown only once, or to the same request again.
        """
        uses = await idempotency.list_uses(caller, key, _post_routes(request))
        if not uses:
            raise NotFoundError("No answer is kept under this key: it is new, older than 30 days, or still running.")
        return respond_page([key_use_snapshot(use) for use in uses], len(uses))

    return router


def _post_routes(request: Request) -> list[str]:
    """All routes that take keys: with them the table's primary key finds a merchant's rows at once."""
    paths = request.app.openapi()["paths"]
    return [f"POST {path}" for path, operations in paths.items() if "post" in operations]
