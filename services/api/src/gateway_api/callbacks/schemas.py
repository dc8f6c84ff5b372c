"""The body that a provider is answered with."""

from typing import Literal

from pydantic import BaseModel


class ReceivedBody(BaseModel):
    received: Literal[True]
