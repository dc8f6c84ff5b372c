"""Every form of REDIS_URL is read, and who mistypes one is told what forms there are; the password is not shown."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway_common.redis_address import FORMS, Form, RedisAddress, parse_redis_url
from gateway_common.settings import ProcessSettings, StoreSettings


class ServiceSettings(ProcessSettings, StoreSettings):
    """Settings as a service composes them."""


def address(form: Form, *nodes: tuple[str, int], **more: Any) -> RedisAddress:
    nothing: dict[str, Any] = {"username": None, "password": None, "database": 0, "master_name": ""}
    return RedisAddress(form=form, nodes=nodes, **nothing | {"is_tls": False, "tls_files": {}} | more)


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("redis://r", address("server", ("r", 6379))),
        ("redis://r:6380/2", address("server", ("r", 6380), database=2)),
        ("redis://[::1]:6380/", address("server", ("::1", 6380))),
        ("redis://:p%40ss%2F@r", address("server", ("r", 6379), password="p@ss/")),
        ("rediss://u@r", address("server", ("r", 6379), username="u", is_tls=True)),
        (
            "rediss://r?ssl_ca_certs=/ca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem",
            address(
                "server",
                ("r", 6379),
                is_tls=True,
                tls_files={"ssl_ca_certs": "/ca.pem", "ssl_certfile": "/c.pem", "ssl_keyfile": "/k.pem"},
            ),
        ),
        ("redis+sentinel://a,b:1/main", address("sentinel", ("a", 26379), ("b", 1), master_name="main")),
        (
            "rediss+sentinel://u:p@a:1,b:2,[::1]:3/main%20one/4",
            address(
                "sentinel",
                ("a", 1),
                ("b", 2),
                ("::1", 3),
                username="u",
                password="p",
                master_name="main one",
                database=4,
                is_tls=True,
            ),
        ),
        ("redis+cluster://a,b:1", address("cluster", ("a", 6379), ("b", 1))),
        ("rediss+cluster://u@a/0", address("cluster", ("a", 6379), username="u", is_tls=True)),
    ],
)
def test_every_form_is_read(url: str, read: RedisAddress) -> None:
    assert parse_redis_url(url) == read


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "another scheme is given"),
        ("localhost:6379", "another scheme is given"),
        ("http://r", "another scheme is given"),
        ("redis-sentinel://r/main", "another scheme is given"),
        ("redis+sentinels://r/main", "another scheme is given"),
        ("redis://[::1", "this is no address"),
        ("redis://", "a host is missing"),
        ("redis:///0", "a host is missing"),
        ("redis+cluster://a,,b", "a host is missing"),
        ("redis+cluster://a,b,", "a host is missing"),
        ("redis://r:port", "a port is no number"),
        ("redis://r:70000", "a port is no number"),
        ("redis://u:p/ss@r", "a port is no number"),
        ("redis://a,b", r"several hosts are for redis\+sentinel:// and redis\+cluster://"),
        ("redis://r/main", "the database is no number"),
        ("redis://r/1/2", "the database is no number"),
        ("redis://r/-1", "the database is no number"),
        ("redis+sentinel://a,b", "the master's name is missing after the Sentinels"),
        ("redis+sentinel://a,b/", "the master's name is missing after the Sentinels"),
        ("redis+sentinel://a/main/x", "the database is no number"),
        ("redis+cluster://a/1", "a cluster has no database but 0"),
        ("redis+cluster://a/main", "the database is no number"),
        ("rediss://r?ssl_ca_cert=/ca.pem", "after . there may only be ssl_ca_certs, ssl_certfile, ssl_keyfile"),
        ("redis://r?ssl_ca_certs=/ca.pem", "with TLS"),
    ],
)
def test_a_mistyped_address_is_told_what_is_wrong_and_what_forms_there_are(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_redis_url(url)

    assert FORMS in str(caught.value)


@pytest.mark.parametrize("url", ["redis+sentinel://user:top-secret@a,b", "redis://user:top-secret/@r"])
def test_a_service_refuses_to_start_on_it_and_does_not_show_the_password(url: str) -> None:
    with pytest.raises(ValidationError, match="redis\\+cluster://") as caught:
        ServiceSettings(metrics_port=9100, database_url="postgresql://h/d", redis_url=url, gateway_master_key="bWFz")

    assert "top-secret" not in str(caught.value)
    assert "top-secret" not in repr(parse_redis_url("redis://user:top-secret@r"))
