"""JSON as one parser and the next read it alike, and a sentence for each text that they would not."""

import pytest

from gateway_api.json_body import DEPTH_MAX, parse_json
from gateway_common.errors import InvalidRequestError

CARD = "4111111111111111"


def refusal(body: bytes) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        parse_json(body)
    return caught.value


def nested(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b' {"a": [1, -0, 2.5, 1e3, true, null, "x"]} \n', {"a": [1, 0, 2.5, 1000.0, True, None, "x"]}),
        ('{"name": "₹ 😀"}'.encode(), {"name": "₹ 😀"}),
        (rb'{"name": "\ud83d\ude00"}', {"name": "😀"}),
        (b'{"a": {"b": 1}, "c": {"b": 2}}', {"a": {"b": 1}, "c": {"b": 2}}),
        (b"9" * 4_300, int("9" * 4_300)),
        (b'["' + b"[{" * 100 + b'"]', ["[{" * 100]),
    ],
)
def test_json_is_read(body: bytes, value: object) -> None:
    assert parse_json(body) == value


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", "line 1, column 2"),
        (b" ", "line 1, column 2"),
        (b'{"a": 1}garbage', "line 1, column 9"),
        (b'{"a": 1}{}', "line 1, column 9"),
        (b'{"a": 1,\n b}', "line 2, column 2"),
        (b"{'a': 1}", "line 1, column 2"),
        (b'{"a": 01}', "line 1, column 8"),
        (b'{"a": +1}', "line 1, column 7"),
        (b'{"a": .5}', "line 1, column 7"),
        (b'{"a": 0x1f}', "line 1, column 8"),
        (b'{"a": "tab\t"}', "line 1, column 11"),
        (b'{"a": "\x00"}', "line 1, column 8"),
        (rb'{"a": "\x41"}', "line 1, column 8"),
        (b"amount=50000", "line 1, column 1"),
    ],
)
def test_what_is_not_json_is_told_with_its_place(body: bytes, place: str) -> None:
    assert refusal(body).message == f"The body is not valid JSON: see {place}."


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_only_javascript_calls_a_number_is_refused(number: bytes) -> None:
    assert refusal(b'{"amount": ' + number + b"}").message == "NaN and Infinity are not JSON. Send a plain number."


@pytest.mark.parametrize("number", [b"9" * 4_301, b"-" + b"9" * 60_000])
def test_an_endless_number_is_refused(number: bytes) -> None:
    assert refusal(b'{"amount": ' + number + b"}").message == "The body holds a number with too many digits."


@pytest.mark.parametrize(
    "body", ['{"a": "x"}'.encode("utf-16"), '{"a": 1}'.encode("utf-32"), b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}']
)
def test_another_encoding_than_utf_8_is_refused(body: bytes) -> None:
    assert refusal(body).message == "The body must be JSON in UTF-8."


def test_a_byte_order_mark_is_refused() -> None:
    assert refusal(b"\xef\xbb\xbf{}").message == "The body must be JSON in UTF-8, without a byte order mark."


@pytest.mark.parametrize(
    "body",
    [
        b'{"amount": 1, "amount": 2}',
        rb'{"amount": 1, "\u0061mount": 1}',
        b'[{"b": {"x": 1, "amount": 1, "amount": 1}}]',
    ],
)
def test_a_key_that_is_there_twice_is_named(body: bytes) -> None:
    error = refusal(body)

    assert error.message == "amount: is there twice in one object. Send it once."
    assert error.param == "amount"


@pytest.mark.parametrize("key", [CARD, "x" * 65, "", " a", "a\\nb", "\\u0000", "\\ud800", "<script>", "{}"])
def test_a_key_that_may_be_anything_is_not_repeated(key: str) -> None:
    error = refusal(f'{{"{key}": 1, "{key}": 2}}'.encode())

    assert error.message == "A key is there twice in one object. Send it once."
    assert error.param is None


@pytest.mark.parametrize("body", [nested(DEPTH_MAX), b"[" + b"[]," * 1_000 + b"[]]"])
def test_nesting_is_read_up_to_its_limit(body: bytes) -> None:
    parse_json(body)


@pytest.mark.parametrize(
    "body", [nested(DEPTH_MAX + 1), b"[" * 500 + b"]" * 500, b"[" * 30_000, b'{"a":' * 10_000, b"[" * 900 + b"]" * 900]
)
def test_deeper_nesting_is_refused(body: bytes) -> None:
    assert refusal(body).message in {
        "The body is nested too deeply: at most 20 levels.",
        # A text that ends before its brackets close may be found out first.
        f"The body is not valid JSON: see line 1, column {len(body) + 1}.",
    }
