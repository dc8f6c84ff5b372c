"""The routes of API keys. They translate, and decide nothing."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from gateway_api.answers import answer, respond, respond_page
from gateway_api.auth import Authenticator, Caller
from gateway_api.fields import Limit, PathId
from gateway_api.idempotency import attempt_of
from gateway_api.keys.schemas import AfterKey, CreatedKeyBody, CreateKey, KeyBody, KeyPage, RevokeKey, RotateKey
from gateway_api.keys.service import KeyService
from gateway_api.routing import StrictRouter
from gateway_common.merchants.model import Scope, api_key_snapshot


def key_routes(service: KeyService, authenticator: Authenticator) -> StrictRouter:
    router = StrictRouter(prefix="/api/v1/api-keys", tags=["api keys"])
    reader, writer = Depends(authenticator.may(Scope.READ)), Depends(authenticator.may(Scope.WRITE))

    @router.post("", summary="Make an API key", status_code=201, responses={201: {"model": CreatedKeyBody}})
    async def create_api_key(request: Request, body: CreateKey, caller: Annotated[Caller, writer]) -> Response:
        """Make a key, with no scope that the calling key lacks. Only this answer shows its secret."""
        return respond(await service.create(caller, body, attempt_of(request, caller, body)))

    @router.get("", summary="List API keys", responses={200: {"model": KeyPage}})
    async def list_api_keys(
        caller: Annotated[Caller, reader], limit: Limit = 10, starting_after: AfterKey = None
    ) -> Response:
        """List keys, newest first."""
        found = await service.list(caller, limit=limit + 1, starting_after=starting_after)
        return respond_page([api_key_snapshot(key) for key in found], limit)

    @router.get("/{key_id}", summary="Read an API key", responses={200: {"model": KeyBody}})
    async def get_api_key(key_id: PathId, caller: Annotated[Caller, reader]) -> Response:
        """Read a key."""
        return respond(answer(200, api_key_snapshot(await service.get(caller, key_id))))

    @router.post(
        "/{key_id}/rotate", summary="Rotate an API key", status_code=201, responses={201: {"model": CreatedKeyBody}}
    )
    async def rotate_api_key(
        request: Request, key_id: PathId, caller: Annotated[Caller, writer], body: RotateKey | None = None
    ) -> Response:
        """Make the key's successor. The key itself works on for `overlap_seconds`."""
        wanted = body or RotateKey()
        overlap = timedelta(seconds=wanted.overlap_seconds)
        return respond(await service.rotate(caller, key_id, overlap, attempt_of(request, caller, wanted)))

    @router.post("/{key_id}/revoke", summary="Revoke an API key", responses={200: {"model": KeyBody}})
    async def revoke_api_key(
        request: Request, key_id: PathId, caller: Annotated[Caller, writer], body: RevokeKey | None = None
    ) -> Response:
        """End a key. Within a second it opens nothing any more."""
        attempt = attempt_of(request, caller, body or RevokeKey())
        return respond(await service.revoke(caller, key_id, attempt))

    return router
