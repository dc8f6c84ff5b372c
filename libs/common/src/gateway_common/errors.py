"""The one tree of errors that a caller of the gateway can meet.

GatewayError
├── InvalidRequestError 400          ├── ConflictError 409
├── UnauthenticatedError 401         │   ├── PaymentStateError
│   └── CallbackRefusedError         │   ├── OrderStateError, OrderBusyError
├── ForbiddenError 403               │   ├── NoProviderError
├── NotFoundError 404                │   ├── EndpointStateError, EndpointLimitError, DeliveryStateError
├── MethodNotAllowedError 405        │   ├── SecretRotationError, NoSecretRotationError
├── PayloadTooLargeError 413         │   └── IdempotencyInProgressError
├── UnsupportedMediaTypeError 415    ├── UnprocessableError 422
├── InternalError 500                │   └── IdempotencyKeyReuseError
├── UnavailableError 503             └── RateLimitedError 429

Each class has one stable code, one HTTP status and its meaning in one sentence; docs/errors.md is made from them.
"""


class GatewayError(Exception):
    """What went wrong, in a sentence the caller may read; `param` names the field at fault."""

    code: str
    status: int
    retryable = False
    retry_after_seconds: int | None = None
    meaning: str

    def __init__(self, message: str, *, param: str | None = None, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if retry_after_seconds is not None:
            self.retry_after_seconds = retry_after_seconds


class InvalidRequestError(GatewayError):
    code = "invalid_request"
    status = 400
    meaning = "The request can't be read: its body is not JSON as it has to be, or a header is malformed or repeated."


class UnauthenticatedError(GatewayError):
    code = "unauthenticated"
    status = 401
    meaning = "The API key, its secret or the client token is missing, wrong, expired or revoked."


class CallbackRefusedError(UnauthenticatedError):
    """A provider's callback that the provider did not sign, or so long ago that it may be a copy."""

    code = "invalid_signature"
    meaning = "The callback does not carry a fresh signature by the provider; nothing was stored."


class ForbiddenError(GatewayError):
    code = "forbidden"
    status = 403
    meaning = "The key is good, but it does not open this."


class NotFoundError(GatewayError):
    """Also for an object of another merchant: whether it exists is not the caller's to know."""

    code = "not_found"
    status = 404
    meaning = "There is nothing at this path, or nothing that this key may see."


class MethodNotAllowedError(GatewayError):
    code = "method_not_allowed"
    status = 405
    meaning = "The path is known, but not with this method; the Allow header names those it has."


class ConflictError(GatewayError):
    code = "conflict"
    status = 409
    meaning = "The request does not fit the state that the object is in."


class PaymentStateError(ConflictError):
    code = "payment_state_conflict"
    meaning = "The payment is not in a state that allows this; read it again to see where it is."


class OrderStateError(ConflictError):
    code = "order_state_conflict"
    meaning = "The order takes no payment now: it is paid, or another payment of it is under way."


class OrderBusyError(ConflictError):
    code = "order_busy"
    retryable = True
    retry_after_seconds = 1
    meaning = "The order is being changed at this very moment; send the same request again."


class NoProviderError(ConflictError):
    code = "no_provider"
    meaning = "No payment provider serves this method in the mode of this key."


class EndpointStateError(ConflictError):
    code = "webhook_endpoint_state_conflict"
    meaning = "Nothing is sent to the webhook endpoint: it is paused, disabled or deleted."


class EndpointLimitError(ConflictError):
    code = "webhook_endpoint_limit"
    meaning = "The merchant has as many webhook endpoints in this mode as it may have; delete one."


class SecretRotationError(ConflictError):
    code = "secret_rotation_in_progress"
    meaning = "The endpoint's last new secret has not been promoted; promote it, then rotate again."


class NoSecretRotationError(ConflictError):
    code = "no_secret_rotation"
    meaning = "There is no old secret beside the webhook endpoint's own, so there is nothing to promote."


class DeliveryStateError(ConflictError):
    code = "webhook_delivery_state_conflict"
    meaning = "An attempt at the webhook delivery is under way; read it again to see what came of it."


class IdempotencyInProgressError(ConflictError):
    code = "idempotency_in_progress"
    retryable = True
    retry_after_seconds = 1
    meaning = "The first request with this Idempotency-Key is still running; ask again for its answer."


class PayloadTooLargeError(GatewayError):
    code = "payload_too_large"
    status = 413
    meaning = "The body is longer than any request needs."


class UnsupportedMediaTypeError(GatewayError):
    code = "unsupported_media_type"
    status = 415
    meaning = "The body is not declared as JSON by the header Content-Type, or it is compressed."


class UnprocessableError(GatewayError):
    code = "validation_failed"
    status = 422
    meaning = "A field or a query parameter is missing, unknown or out of its limits; `param` names it."


class IdempotencyKeyReuseError(UnprocessableError):
    code = "idempotency_key_reuse"
    meaning = "This Idempotency-Key was used before, with another request; take a new key."


class RateLimitedError(GatewayError):
    code = "rate_limited"
    status = 429
    retryable = True
    retry_after_seconds = 1
    meaning = "This key, or this address, has sent too many requests; wait as long as the Retry-After header says."


class InternalError(GatewayError):
    code = "internal_error"
    status = 500
    retryable = True
    retry_after_seconds = 1
    meaning = "Something broke on our side; it is logged under the `request_id`."


class UnavailableError(GatewayError):
    """A needed dependency does not answer; the same request may be sent again."""

    code = "unavailable"
    status = 503
    retryable = True
    retry_after_seconds = 1
    meaning = "Something that the gateway needs does not answer; wait as long as the Retry-After header says."


def error_kinds() -> list[type[GatewayError]]:
    """Every error of the tree, by status and code."""

    def below(kind: type[GatewayError]) -> list[type[GatewayError]]:
        return [each for child in kind.__subclasses__() for each in (child, *below(child))]

    kinds = [kind for kind in below(GatewayError) if kind.__module__ == __name__]
    return sorted(kinds, key=lambda kind: (kind.status, kind.code))
