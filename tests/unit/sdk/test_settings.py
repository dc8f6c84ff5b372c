"""What the checkout server accepts as addresses: they end up in its page and in its security policy."""

import pytest
from pydantic import ValidationError

from gateway_sdk.settings import SdkSettings


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("http://localhost:8000", "http://localhost:8000"),
        ("https://api.example.com/", "https://api.example.com"),
        ("https://example.com/gateway/", "https://example.com"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_api_address_gives_the_origin_the_page_may_speak_to(address: str, origin: str) -> None:
    settings = SdkSettings(api_public_url=address)

    assert settings.api_origin == origin
    assert settings.api_public_url == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    ["api.example.com", "ftp://example.com", "https://a b", "https://a;script-src *", 'https://a"onload=', ""],
)
def test_an_address_that_could_break_out_of_the_page_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        SdkSettings(api_public_url=address)


@pytest.mark.parametrize(
    "origins", ["'none'; script-src *", "https://a.example, https://b.example", "*", "https://a/b"]
)
def test_frame_ancestors_are_origins_and_nothing_else(origins: str) -> None:
    with pytest.raises(ValidationError):
        SdkSettings(checkout_frame_ancestors=origins)


def test_any_page_may_frame_a_test_checkout_and_none_a_live_one_until_told() -> None:
    shops = "https://shop.example  https://*.shop.example"

    assert SdkSettings(test_mode=True).frame_ancestors == "* file:"
    assert SdkSettings(test_mode=False).frame_ancestors == "'none'"
    assert SdkSettings(test_mode=True, checkout_frame_ancestors=shops).frame_ancestors == " ".join(shops.split())
