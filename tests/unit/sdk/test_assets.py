"""The checkout's files: all there, of the right type, nothing inline, and small."""

import gzip
import re

import pytest

from gateway_sdk.assets import Asset, content_security_policy, load_assets
from gateway_sdk.settings import SdkSettings

GZIPPED_MOST_BYTES = 12 * 1024


@pytest.fixture
def assets() -> dict[str, Asset]:
    return load_assets(SdkSettings(test_mode=True, api_public_url="https://api.example.com"))


def test_everything_the_page_asks_for_is_there(assets: dict[str, Asset]) -> None:
    page = assets["checkout.html"].body.decode()
    named = set(re.findall(r'(?:src|href)="([^"]+)"', page))
    imported = {
        f"checkout/{name}"
        for path, asset in assets.items()
        if path.startswith("checkout/")
        for name in re.findall(r'from "\./([^"]+)"', asset.body.decode())
    }

    assert named | imported <= assets.keys()
    assert imported <= named, "a module that is not preloaded costs a round trip"


def test_the_page_is_told_the_api_by_its_server(assets: dict[str, Asset]) -> None:
    assert b'data-api-url="https://api.example.com"' in assets["checkout.html"].body
    assert all(b"{{api_public_url}}" not in asset.body for asset in assets.values())


def test_nothing_in_the_page_is_inline(assets: dict[str, Asset]) -> None:
    page = assets["checkout.html"].body.decode()

    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert all(" src=" in tag for tag in re.findall(r"<script[^>]*>", page))


def test_the_policy_allows_this_server_and_the_api_and_no_one_else() -> None:
    policy = content_security_policy(SdkSettings(test_mode=True, api_public_url="https://api.example.com/v"))

    assert "default-src 'none'" in policy
    assert "connect-src 'self' https://api.example.com;" in policy
    assert "unsafe" not in policy


def test_only_the_merchants_script_is_cached_without_asking(assets: dict[str, Asset]) -> None:
    cached = {path for path, asset in assets.items() if asset.headers["Cache-Control"] != "no-cache"}

    assert cached == {"checkout.js"}


def test_the_scripts_are_small(assets: dict[str, Asset]) -> None:
    scripts = b"".join(asset.body for path, asset in assets.items() if path.endswith(".js"))

    assert len(gzip.compress(scripts)) < GZIPPED_MOST_BYTES
