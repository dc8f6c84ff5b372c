"""Query parameters: known ones once, and a sentence for any other. Headers that say who asks: once."""

import pytest

from gateway_api.routing import check_headers, check_query
from gateway_common.errors import InvalidRequestError, UnprocessableError, UnsupportedMediaTypeError

KNOWN = ("limit", "order_id")


def refusal(query: bytes, known: tuple[str, ...] = KNOWN) -> UnprocessableError:
    with pytest.raises(UnprocessableError) as caught:
        check_query(query, known)
    return caught.value


@pytest.mark.parametrize(
    "query", [b"", b"&&&", b"limit=5", b"limit=5&order_id=", b"%6cimit=5", b"order_id=a%26limit=b"]
)
def test_known_parameters_pass_once_each(query: bytes) -> None:
    check_query(query, KNOWN)


def test_a_misspelt_parameter_is_named_with_those_there_are() -> None:
    error = refusal(b"limit=5&limt=5")

    assert error.message == "limt: is no query parameter of this request. Send only: limit, order_id."
    assert error.param == "limt"


def test_a_route_without_parameters_says_so() -> None:
    assert refusal(b"limit=5", ()).message == "limit: is no query parameter of this request. Send none."


@pytest.mark.parametrize("query", [b"4111111111111111=x", b"%00=x", b"=x", b"a%0d%0ab=x", b"x" * 500, b"?"])
def test_a_name_that_may_be_anything_is_not_repeated(query: bytes) -> None:
    error = refusal(query)

    assert error.message == "A query parameter is unknown. Send only: limit, order_id."
    assert error.param is None


@pytest.mark.parametrize("query", [b"limit=5&limit=5", b"limit=5&order_id=a&%6cimit=6"])
def test_a_repeated_parameter_is_named(query: bytes) -> None:
    error = refusal(query)

    assert error.message == "limit: is there twice. Send it once."
    assert error.param == "limit"


def test_a_query_of_very_many_parts_is_not_taken_apart() -> None:
    assert refusal(b"&a=1" * 10_000).message == "There are too many query parameters."


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"x-api-key", b"a"), (b"x-api-secret", b"b"), (b"idempotency-key", b"c")],
        [(b"accept", b"a"), (b"accept", b"b")],
        [(b"content-encoding", b"identity")],
        [(b"content-encoding", b"Identity")],
    ],
)
def test_headers_pass_that_are_there_once_or_say_nothing_of_the_caller(headers: list[tuple[bytes, bytes]]) -> None:
    check_headers(headers)


@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Api-Key", "X-Api-Secret", "X-Client-Token", "Authorization"])
def test_a_header_that_says_who_asks_is_refused_twice_even_with_one_value(name: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_headers([(name.lower().encode(), b"same"), (b"accept", b"*/*"), (name.lower().encode(), b"same")])

    assert caught.value.message == f"{name}: is there twice. Send it once."
    assert caught.value.param == name


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"identity, gzip", b""])
def test_an_encoded_body_is_refused(encoding: bytes) -> None:
    with pytest.raises(UnsupportedMediaTypeError) as caught:
        check_headers([(b"content-encoding", encoding)])

    assert caught.value.message == "Send the body as it is, without Content-Encoding."
