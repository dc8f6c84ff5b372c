"""Why an attempt failed: one exception with a reason and a sentence, and what errors of sockets and TLS say in words.

Nothing is sent here, and no address judged.
"""

import errno
import ssl
from typing import Final

from gateway_common.webhooks.outcome import FailureReason

_SOCKET_WORDS: Final = {
    errno.ECONNREFUSED: "nothing listens there: the connection was refused",
    errno.ECONNRESET: "the connection was reset",
    errno.EHOSTUNREACH: "the address can't be reached",
    errno.ENETUNREACH: "the network can't be reached",
    errno.ETIMEDOUT: "the address does not answer",
}
# OpenSSL's X509_V_ERR_ numbers; Python names none of them.
_CERTIFICATE_WORDS: Final = {
    7: "is not signed by whom it says",
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed",
    19: "was issued by an authority that nobody vouches for",
    20: "was issued by an authority that is not known here; an intermediate certificate may be missing",
    21: "can't be checked; an intermediate certificate may be missing",
    23: "was revoked",
    26: "is not meant for servers",
    62: "is for another name",
    64: "is for another address",
}
_NO_TLS: Final = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"}


class AttemptFailedError(Exception):
    """An attempt that ended before there was a response."""

    def __init__(self, reason: FailureReason, words: str) -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words


def unreachable(host: str, error: Exception) -> AttemptFailedError:
    """For an error of connecting."""
    words = _SOCKET_WORDS.get(getattr(error, "errno", None) or 0, str(error))
    return AttemptFailedError(FailureReason.UNREACHABLE, f"no connection to {host}: {words}")


def tls_failed(host: str, error: Exception) -> AttemptFailedError:
    """For an error between the connection and the request: the handshake's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        # Python speaks of a number only; what OpenSSL says about it is in the message.
        words = _CERTIFICATE_WORDS.get(error.verify_code, f"is not accepted: {error.verify_message}")
        return AttemptFailedError(FailureReason.TLS, f"no connection to {host}: its certificate {words}")
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return AttemptFailedError(FailureReason.TLS, f"no connection to {host}: it does not speak TLS at this port")
    if isinstance(error, ssl.SSLError) and error.reason:
        words = error.reason.lower().replace("_", " ")
        return AttemptFailedError(FailureReason.TLS, f"no connection to {host}: the TLS handshake failed: {words}")
    return AttemptFailedError(FailureReason.TLS, f"no connection to {host}: it hung up during the TLS handshake")
