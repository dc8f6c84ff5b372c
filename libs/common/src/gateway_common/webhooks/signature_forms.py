"""Reads a signature in whatever form a merchant's program has it: the MAC in it, and what is odd about its form.

Odd forms are read to name the mistake. No receiver should take them.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_ENTRIES_MOST: Final = 20
# Either way 32 bytes, as HMAC-SHA256 has them.
_HEX: Final = re.compile("[0-9A-Fa-f]{64}")
_BASE64: Final = re.compile("[A-Za-z0-9+/_-]{43}=?")
_SCHEME_PREFIX: Final = re.compile("(sha256=|v1,|v1=)")


@dataclass(frozen=True, slots=True)
class Claim:
    """A MAC that somebody claims to fit; `oddity` is None if it came in the form it is sent in."""

    mac: bytes = field(repr=False)
    oddity: str | None


def read_plain(value: str) -> list[Claim]:
    """What `X-Webhook-Signature` claims; nothing if it is no signature at all."""
    text = value.strip(" \t\"'")
    bare = _SCHEME_PREFIX.sub("", text, count=1)
    read = _read_mac(bare)
    if read is None:
        return []
    mac, form = read
    if form != "hex":
        return [Claim(mac, f"X-Webhook-Signature is in {form}; it is sent in small hexadecimal digits")]
    if bare != value:
        return [Claim(mac, "X-Webhook-Signature has something before or after its 64 hexadecimal digits")]
    return [Claim(mac, None)]


def read_standard(value: str) -> list[Claim]:
    """What the entries of `webhook-signature` claim, without those of versions that are not v1."""
    return list(_read_entries(value.strip(" \t\"'").split()[:_ENTRIES_MOST]))


def _read_entries(entries: list[str]) -> Iterator[Claim]:
    for entry in entries:
        version, comma, text = entry.partition(",")
        read = _read_mac(text if comma else entry)
        if read is None or (comma and version != "v1"):
            continue
        mac, form = read
        if form != "base64":
            yield Claim(mac, f"webhook-signature is in {form}; it is sent in base64, with `v1,` before it")
        else:
            yield Claim(mac, None if comma else "webhook-signature lacks the `v1,` before the base64")


def _read_mac(text: str) -> tuple[bytes, str] | None:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text), "hex" if text == text.lower() else "capital hexadecimal digits"
    if not _BASE64.fullmatch(text):
        return None
    standard = text.replace("-", "+").replace("_", "/").rstrip("=") + "="
    return base64.b64decode(standard), "base64" if standard == text else "base64 for URLs, or without its `=`"
