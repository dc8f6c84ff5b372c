"""A card in a request: checked, hidden from dumps and errors, and sealed before anything is stored."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from gateway_api.fields import CARD_CVC, CARD_NUMBER, PATTERNS, RequestBody, Text
from gateway_common.crypto import Keyring
from gateway_common.payments.cards import Card, cvc_digits, dump_card, passes_luhn, seal_context
from gateway_common.payments.create_store import SealedCard

_YEAR_MOST: Final = 2099


def _check_number(number: SecretStr) -> SecretStr:
    digits = number.get_secret_value()
    if not re.fullmatch(CARD_NUMBER, digits):
        raise ValueError(PATTERNS[CARD_NUMBER])
    if not passes_luhn(digits):
        raise ValueError("is not a card number: its check digit does not fit")
    return number


def _check_cvc(cvc: SecretStr, info: ValidationInfo) -> SecretStr:
    digits = cvc.get_secret_value()
    if not re.fullmatch(CARD_CVC, digits):
        raise ValueError(PATTERNS[CARD_CVC])
    # The number stands before the CVC and was read before it; if it was refused, that is said first.
    number = info.data.get("number")
    if number is not None and len(digits) != (wanted := cvc_digits(number.get_secret_value())):
        raise ValueError(f"must be {wanted} digits for this card")
    return cvc


class CardBody(RequestBody):
    number: Annotated[SecretStr, Field(json_schema_extra={"pattern": CARD_NUMBER}), AfterValidator(_check_number)]
    exp_month: Annotated[int, Field(strict=True, ge=1, le=12)]
    exp_year: Annotated[int, Field(strict=True, ge=2000, le=_YEAR_MOST)]
    cvc: Annotated[SecretStr, Field(json_schema_extra={"pattern": CARD_CVC}), AfterValidator(_check_cvc)]
    name: Text | None = None

    def card(self) -> Card:
        """The card in clear, for the one moment it is needed."""
        return Card(
            number=self.number.get_secret_value(),
            exp_month=self.exp_month,
            exp_year=self.exp_year,
            cvc=self.cvc.get_secret_value(),
            name=self.name,
        )


def seal_card(keyring: Keyring, card: Card, payment_id: str) -> SealedCard:
    """The card as it is stored: it opens only for this payment."""
    return SealedCard(keyring.current_key_id, keyring.seal(dump_card(card), context=seal_context(payment_id)))
