"""The words of a diagnosis: of which signature something is said, what in a stable code, and in a sentence."""

from dataclasses import dataclass
from enum import StrEnum


class Scheme(StrEnum):
    STANDARD = "standard"
    """`webhook-signature`."""
    PLAIN = "plain"
    """`X-Webhook-Signature`."""


class FindingCode(StrEnum):
    """What was found. Codes stay as they are; sentences may change."""

    OK = "ok"
    OK_WITH_OLD_SECRET = "ok_with_old_secret"  # noqa: S105
    OLD_SECRET = "old_secret"  # noqa: S105
    GIVEN_SECRET = "given_secret"  # noqa: S105
    WRONG_SECRET = "wrong_secret"  # noqa: S105
    WRONG_SECRET_OR_BODY = "wrong_secret_or_body"  # noqa: S105
    RE_SERIALISED_JSON = "re_serialised_json"
    BODY_CHANGED = "body_changed"
    RAW_KEY_FOR_STANDARD = "raw_key_for_standard"
    DECODED_KEY_FOR_PLAIN = "decoded_key_for_plain"
    KEY_WITHOUT_PREFIX = "key_without_prefix"
    KEY_WITH_LINE_END = "key_with_line_end"
    WRONG_SIGNATURE_FORM = "wrong_signature_form"
    WRONG_SIGNED_CONTENT = "wrong_signed_content"
    ID_CHANGED = "id_changed"
    ID_OR_TIMESTAMP_CHANGED = "id_or_timestamp_changed"
    TIMESTAMP_OUTSIDE_TOLERANCE = "timestamp_outside_tolerance"
    SIGNATURE_HEADER_MISSING = "signature_header_missing"
    SIGNATURE_HEADER_MALFORMED = "signature_header_malformed"
    SECRET_IS_CURRENT = "secret_is_current"  # noqa: S105
    SECRET_IS_OLD = "secret_is_old"  # noqa: S105
    SECRET_IS_UNKNOWN = "secret_is_unknown"  # noqa: S105
    SECRET_HAS_BLANKS = "secret_has_blanks"  # noqa: S105
    SECRET_WITHOUT_PREFIX = "secret_without_prefix"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Fault:
    code: FindingCode
    message: str
