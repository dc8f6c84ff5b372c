"""Looks up what a signature check needs: the endpoint's secrets, and the event as it was sent. It changes nothing."""

from gateway_api.answers import Answer, answer
from gateway_api.auth import Caller
from gateway_api.idempotency import Attempt, Idempotency
from gateway_api.webhooks.check_schemas import CheckSignature
from gateway_common.clock import Clock
from gateway_common.crypto import Keyring, SealBrokenError
from gateway_common.db.database import Connection
from gateway_common.errors import ConflictError
from gateway_common.events.model import NumberedEvent
from gateway_common.events.store import find_event
from gateway_common.webhooks.diagnosis import Received, diagnose, event_ids
from gateway_common.webhooks.model import WebhookEndpoint
from gateway_common.webhooks.sealing import unseal_secret
from gateway_common.webhooks.store import get_endpoint
from gateway_common.webhooks.ways import EndpointSecrets


class SignatureCheckService:
    def __init__(self, idempotency: Idempotency, keyring: Keyring, clock: Clock) -> None:
        self._idempotency = idempotency
        self._keyring = keyring
        self._clock = clock

    async def check(self, caller: Caller, endpoint_id: str, wanted: CheckSignature, attempt: Attempt | None) -> Answer:
        """Say why the signatures fit or do not; NotFoundError, ConflictError if the secret can't be opened."""
        received = Received({name.lower(): value for name, value in wanted.headers.items()}, wanted.body_bytes())

        async def act(connection: Connection) -> Answer:
            endpoint = await get_endpoint(
                connection, endpoint_id, merchant_id=caller.merchant_id, livemode=caller.livemode
            )
            event = await _find_event(connection, caller, received)
            diagnosis = diagnose(
                received,
                self._secrets(endpoint),
                original=event.body if event else None,
                given_secret=wanted.secret.get_secret_value() if wanted.secret else None,
                now=wanted.received_at or self._clock(),
            )
            findings = [
                {"scheme": found.scheme, "code": found.code, "message": found.message} for found in diagnosis.findings
            ]
            content = {
                "object": "webhook_signature_check",
                "valid": diagnosis.valid,
                "event_id": event.id if event else None,
            }
            return answer(200, content | {"findings": findings})

        return await self._idempotency.run(attempt, act)

    def _secrets(self, endpoint: WebhookEndpoint) -> EndpointSecrets:
        sealed_old = endpoint.sealed_old_secret
        try:
            current = unseal_secret(self._keyring, endpoint.sealed_secret, endpoint.id)
            old = unseal_secret(self._keyring, sealed_old, endpoint.id) if sealed_old else None
        except SealBrokenError as error:
            raise ConflictError("The endpoint's secret can't be read any more: rotate it.") from error
        return EndpointSecrets(current, old, endpoint.old_secret_until)


async def _find_event(connection: Connection, caller: Caller, received: Received) -> NumberedEvent | None:
    for event_id in event_ids(received):
        event = await find_event(connection, event_id, merchant_id=caller.merchant_id, livemode=caller.livemode)
        if event is not None:
            return event
    return None
