"""Who is signed in: HTTP Basic with an API key and its secret, handed on to the API and kept nowhere."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from gateway_common.errors import UnauthenticatedError


@dataclass(frozen=True, slots=True)
class Login:
    """The key's name, to be shown, and the header as the browser sent it, to be handed on."""

    key: str
    authorization: str = field(repr=False)

    @property
    def is_test(self) -> bool:
        return self.key.startswith("key_test_")


def parse_login(authorization: str | None) -> Login | None:
    """The login in an Authorization header, or None if there is none that the API could take."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if authorization is None or scheme.lower() != "basic":
        return None
    try:
        key, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return Login(key, f"Basic {encoded}") if key and secret else None


def _login_of(request: Request) -> Login:
    login = parse_login(request.headers.get("authorization"))
    if login is None:
        raise UnauthenticatedError("Sign in with your API key as the user name and its secret as the password.")
    return login


SignedIn = Annotated[Login, Depends(_login_of)]
