"""REDIS_URL, read: one server, Sentinels that know which server is the master, or the nodes of a cluster.

Nothing connects here; `queue/connection.py` does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

Form = Literal["server", "sentinel", "cluster"]

FORMS: Final = (
    "redis://host:6379/0, redis+sentinel://host:26379,host2:26379/master-name/0 or "
    "redis+cluster://host:6379,host2:6379 (user:password@ before the hosts, percent-encoded; rediss for TLS)"
)
_SCHEMES: Final[dict[str, Form]] = {
    f"{tls}{suffix}": form
    for tls in ("redis", "rediss")
    for suffix, form in cast("dict[str, Form]", {"": "server", "+sentinel": "sentinel", "+cluster": "cluster"}).items()
}
_DEFAULT_PORTS: Final[dict[Form, int]] = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_TLS_FILES: Final = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    form: Form
    nodes: tuple[tuple[str, int], ...]
    """Host and port of the server, of each Sentinel, or of the cluster's nodes to ask first."""
    username: str | None
    password: str | None = field(repr=False)
    database: int
    master_name: str
    """What the Sentinels call it; empty in the other forms."""
    is_tls: bool
    tls_files: dict[str, str]
    """Paths by the client's names: `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`."""


def parse_redis_url(url: str) -> RedisAddress:
    """Read an address; ValueError says what is wrong with it, without the login, and what forms there are."""
    try:
        return _parse(url)
    except ValueError as error:
        raise ValueError(f"must be {FORMS}: {error}") from None


def check_redis_url(url: str) -> str:
    """Return the address as it is, if it can be read."""
    parse_redis_url(url)
    return url


def _parse(url: str) -> RedisAddress:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("this is no address") from None
    form = _SCHEMES.get(parts.scheme)
    if form is None:
        raise ValueError("another scheme is given")
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    nodes = tuple(_parse_node(host, _DEFAULT_PORTS[form]) for host in hosts.split(","))
    if form == "server" and len(nodes) > 1:
        raise ValueError("several hosts are for redis+sentinel:// and redis+cluster://")
    master_name, database = _parse_path(form, parts.path)
    is_tls = parts.scheme.startswith("rediss")
    return RedisAddress(
        form=form,
        nodes=nodes,
        username=unquote(username) or None,
        password=unquote(password) or None,
        database=database,
        master_name=master_name,
        is_tls=is_tls,
        tls_files=dict(_parse_tls_files(parts, is_tls=is_tls)),
    )


def _parse_node(text: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("a port is no number") from None
    if not host:
        raise ValueError("a host is missing")
    return host, port or default_port


def _parse_path(form: Form, path: str) -> tuple[str, int]:
    steps = path.strip("/").split("/") if path.strip("/") else []
    master_name = unquote(steps.pop(0)) if form == "sentinel" and steps else ""
    if form == "sentinel" and not master_name:
        raise ValueError("the master's name is missing after the Sentinels")
    number = steps.pop(0) if steps else "0"
    if steps or not (number.isascii() and number.isdigit()):
        raise ValueError("the database is no number")
    if form == "cluster" and int(number):
        raise ValueError("a cluster has no database but 0")
    return master_name, int(number)


def _parse_tls_files(parts: SplitResult, *, is_tls: bool) -> Iterator[tuple[str, str]]:
    for name, path in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _TLS_FILES or not is_tls or not path:
            raise ValueError(f"after ? there may only be {', '.join(sorted(_TLS_FILES))}, with TLS")
        yield name, path
