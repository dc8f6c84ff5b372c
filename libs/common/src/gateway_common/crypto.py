"""Keyed hashes, sealing and derived keys, all from the master keys. What is sealed or hashed is the nouns' business."""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES = 32
KEY_ID_BYTES = 4
"""Each sealed value begins with so many bytes that say which master key sealed it."""
_NONCE_BYTES = 12


class SealBrokenError(Exception):
    """A sealed value was changed, moved to another row, or sealed by a key we no longer have."""


@dataclass(frozen=True, slots=True)
class _MasterKey:
    key_id: bytes
    hash_key: bytes
    seal: AESGCM


class Keyring:
    """Seals and hashes with the first master key; opens and verifies with any of them."""

    def __init__(self, master_keys: str) -> None:
        """Read comma-separated base64 keys of 32 bytes, the current one first. ValueError says what is wrong."""
        self._keys = [_parse_master_key(part.strip()) for part in master_keys.split(",")]

    @property
    def current_key_id(self) -> str:
        """By which the first master key is known in what it sealed and hashed."""
        return self._keys[0].key_id.hex()

    @property
    def key_ids(self) -> frozenset[str]:
        """By which all the master keys are known."""
        return frozenset(key.key_id.hex() for key in self._keys)

    def key_id(self, sealed: bytes) -> str:
        """Which master key sealed this or took this fingerprint, whether we have it or not."""
        return sealed[:KEY_ID_BYTES].hex()

    def is_hash_current(self, stored: str) -> bool:
        """Whether the first master key made this hash of a secret."""
        return stored.startswith(f"{self.current_key_id}:")

    def hash_secret(self, secret: str) -> str:
        """Hash an API secret. It has 128 random bits or more, so one keyed hash suffices, no slow one."""
        key = self._keys[0]
        return f"{key.key_id.hex()}:{_hmac_hex(key.hash_key, secret.encode())}"

    def verify_secret(self, secret: str, stored: str) -> bool:
        key_id, _, digest = stored.partition(":")
        return any(
            hmac.compare_digest(digest, _hmac_hex(key.hash_key, secret.encode()))
            for key in self._keys
            if key.key_id.hex() == key_id
        )

    def fingerprint(self, content: bytes) -> bytes:
        """A keyed digest by which two request bodies are told apart; a plain hash of a card number could be guessed."""
        return _fingerprint(self._keys[0], content)

    def knows(self, sealed: bytes) -> bool:
        """Whether we have the master key that sealed this or took this fingerprint."""
        return any(sealed.startswith(key.key_id) for key in self._keys)

    def verify_fingerprint(self, content: bytes, stored: bytes) -> bool:
        return any(
            hmac.compare_digest(stored, _fingerprint(key, content))
            for key in self._keys
            if stored.startswith(key.key_id)
        )

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Encrypt with AES-256-GCM. `context` names table, row and column, so that no value fits another row."""
        key = self._keys[0]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return key.key_id + nonce + key.seal.encrypt(nonce, plaintext, context.encode())

    def unseal(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt what `seal` made; SealBrokenError if that can't be done."""
        key_id, rest = sealed[:KEY_ID_BYTES], sealed[KEY_ID_BYTES:]
        for key in self._keys:
            if key.key_id == key_id:
                try:
                    return key.seal.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], context.encode())
                except (InvalidTag, ValueError) as error:
                    raise SealBrokenError(f"{context}: the sealed value does not fit") from error
        raise SealBrokenError(f"{context}: sealed with the unknown master key {key_id.hex()}")

    def sign_token(self, content: str) -> str:
        """Make a token that proves `content` came from us; it is not secret what it says."""
        encoded = base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")
        return f"{encoded}.{_hmac_hex(self._keys[0].hash_key, b'token:' + content.encode())}"

    def parse_token(self, token: str) -> str | None:
        """The content of a token of ours, or None for any other string."""
        encoded, _, digest = token.partition(".")
        try:
            content = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except (binascii.Error, ValueError):
            return None
        for key in self._keys:
            if hmac.compare_digest(digest.encode(), _hmac_hex(key.hash_key, b"token:" + content).encode()):
                return content.decode()
        return None


def _parse_master_key(encoded: str) -> _MasterKey:
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError("GATEWAY_MASTER_KEY is not base64") from error
    if len(raw) != _KEY_BYTES:
        raise ValueError(f"GATEWAY_MASTER_KEY must hold {_KEY_BYTES} bytes, not {len(raw)}")
    return _MasterKey(
        key_id=hashlib.sha256(raw).digest()[:KEY_ID_BYTES],
        hash_key=_derive(raw, b"gateway hash v1"),
        seal=AESGCM(_derive(raw, b"gateway seal v1")),
    )


def _fingerprint(key: _MasterKey, content: bytes) -> bytes:
    return key.key_id + hmac.digest(key.hash_key, b"fingerprint:" + content, "sha256")


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=purpose).derive(master)


def _hmac_hex(key: bytes, content: bytes) -> str:
    return hmac.digest(key, content, "sha256").hex()
