"""The one tree of errors that a caller of the gateway can meet.

GatewayError
├── InvalidRequestError 400          ├── ConflictError 409
├── UnauthenticatedError 401         │   ├── PaymentStateError
├── ForbiddenError 403               │   └── IdempotencyInProgressError
├── NotFoundError 404                ├── UnprocessableError 422
├── PayloadTooLargeError 413         │   └── IdempotencyKeyReuseError
└── UnavailableError 503             └── RateLimitedError 429

Each class has one stable code and one HTTP status; the API adds nothing to them.
"""


class GatewayError(Exception):
    """What went wrong, in a sentence the caller may read; `param` names the field at fault."""

    code = "internal_error"
    status = 500
    retryable = False
    retry_after_seconds: int | None = None

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class InvalidRequestError(GatewayError):
    code = "invalid_request"
    status = 400


class UnauthenticatedError(GatewayError):
    code = "unauthenticated"
    status = 401


class ForbiddenError(GatewayError):
    code = "forbidden"
    status = 403


class NotFoundError(GatewayError):
    """Also for an object of another merchant: whether it exists is not the caller's to know."""

    code = "not_found"
    status = 404


class ConflictError(GatewayError):
    code = "conflict"
    status = 409


class PaymentStateError(ConflictError):
    code = "payment_state_conflict"


class IdempotencyInProgressError(ConflictError):
    code = "idempotency_in_progress"
    retryable = True
    retry_after_seconds = 1


class PayloadTooLargeError(GatewayError):
    code = "payload_too_large"
    status = 413


class UnprocessableError(GatewayError):
    code = "validation_failed"
    status = 422


class IdempotencyKeyReuseError(UnprocessableError):
    code = "idempotency_key_reuse"


class RateLimitedError(GatewayError):
    code = "rate_limited"
    status = 429
    retryable = True
    retry_after_seconds = 1

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(GatewayError):
    """A needed dependency does not answer; the same request may be sent again."""

    code = "unavailable"
    status = 503
    retryable = True
    retry_after_seconds = 1
