"""What is kept of a body that a receiver compressed although nobody asked it to."""

import gzip
import zlib

import pytest

from gateway_webhook_dispatcher.response import KEPT_BYTES, kept_of

TEXT = b"thanks " * 2_000
RAW = zlib.compressobj(wbits=-zlib.MAX_WBITS)
RAW_DEFLATE = RAW.compress(TEXT) + RAW.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        (" GZip ", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", RAW_DEFLATE),
        (None, TEXT),
        ("identity", TEXT),
    ],
    ids=["gzip", "in other letters", "x-gzip", "deflate", "raw deflate", "none", "identity"],
)
def test_a_known_coding_is_unpacked_as_far_as_it_is_kept(coding: str | None, body: bytes) -> None:
    assert kept_of(body, coding) == TEXT[:KEPT_BYTES]


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", TEXT),
        ("gzip", zlib.compress(TEXT)),
        ("deflate", b"\xff" * 9_000),
        ("br", TEXT),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT))),
        ("", TEXT),
    ],
    ids=["no gzip", "zlib", "no deflate", "br", "twice", "empty"],
)
def test_what_is_not_in_a_known_coding_is_kept_as_it_came(coding: str, body: bytes) -> None:
    assert kept_of(body, coding) == body[:KEPT_BYTES]


def test_nothing_packed_is_nothing() -> None:
    assert kept_of(gzip.compress(b""), "gzip") == b""
    assert kept_of(b"", "gzip") == b""


def test_the_beginning_of_a_packed_body_that_was_cut_is_unpacked() -> None:
    packed = gzip.compress(bytes(range(256)) * 1_000)

    assert kept_of(packed[: len(packed) // 2], "gzip") == (bytes(range(256)) * 16)[:KEPT_BYTES]
