"""Looks for card numbers in everything a gateway leaves behind: rows, keys, files, answers, in every guise."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import redis
from psycopg.sql import SQL, Identifier


@dataclass(frozen=True)
class Secret:
    """A card as it was sent: what must be nowhere is its number, its CVC beside its name, and its holder."""

    number: str
    cvc: str
    holder: str

    def guises(self) -> Iterator[bytes]:
        yield from (self.number.encode(), self.holder.encode())
        groups = re.findall(r"\d{1,4}", self.number)
        yield from (separator.join(groups).encode() for separator in (" ", "-", "+", "%20", "."))
        yield self.number.encode().hex().encode()
        yield self.number.encode("utf-16-le")
        yield "".join(f"%{ord(digit):02x}" for digit in self.number).encode()
        yield "".join(f"\\u{ord(digit):04x}" for digit in self.number).encode()
        for before in range(3):
            yield _base64_core(self.number.encode(), before)
        yield quote(base64.b64encode(self.number.encode())).encode()


def _base64_core(content: bytes, before: int) -> bytes:
    """What base64 makes of the content whatever stands around it, this many bytes into a group of three."""
    whole = base64.b64encode(bytes(before) + content).rstrip(b"=")
    first = -(-before * 8 // 6)
    return whole[first : (before + len(content)) * 8 // 6]


def pattern(secrets: Iterable[Secret]) -> re.Pattern[bytes]:
    """Finds any of the cards in any guise; hexadecimal in either case."""
    known = list(secrets)
    words = {guise for secret in known for guise in secret.guises()}
    words |= {guise.upper() for guise in words}
    codes = b"|".join(sorted({secret.cvc.encode() for secret in known}))
    return re.compile(b"|".join(map(re.escape, sorted(words))) + rb"|(?i:cv[cv])\W{0,8}(?:" + codes + rb")(?!\d)")


def find(leak: re.Pattern[bytes], places: Mapping[str, bytes]) -> list[str]:
    """Where a card is found, with what stands around it."""
    return [
        f"{place}: {content[max(found.start() - 80, 0) : found.end() + 40]!r}"
        for place, content in places.items()
        for found in [leak.search(content)]
        if found
    ]


def dump_tables(owner_url: str) -> dict[str, bytes]:
    """Every row of every table as text, and the bytes of every binary column as they are."""
    places = {}
    with psycopg.connect(owner_url) as connection:
        tables = "SELECT schemaname, relname FROM pg_stat_user_tables"
        for schema, name in connection.execute(tables).fetchall():
            table = Identifier(schema, name)
            with connection.cursor().copy(SQL("COPY (SELECT * FROM {}) TO STDOUT").format(table)) as rows:
                places[f"table {name}"] = b"".join(map(bytes, rows))
            columns = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND atttypid = 'bytea'::regtype"
            for (column,) in connection.execute(columns, (f"{schema}.{name}",)).fetchall():
                read = SQL("SELECT {} FROM {} WHERE {} IS NOT NULL").format(
                    Identifier(column), table, Identifier(column)
                )
                places[f"column {name}.{column}"] = b"\n".join(value for (value,) in connection.execute(read))
    return places


def dump_redis(url: str) -> dict[str, bytes]:
    """Every key with its value or its entries."""
    with redis.Redis.from_url(url) as client:
        return {f"key {key!r}": key + repr(_value(client, key)).encode() for key in client.scan_iter()}


def _value(client: "redis.Redis", key: bytes) -> Any:
    read: Mapping[bytes | str, Any] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda name: client.lrange(name, 0, -1),
        b"set": client.smembers,
        b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
        b"stream": client.xrange,
    }
    return read[client.type(key)](key)


def dump_files(folder: Path) -> dict[str, bytes]:
    """Every file under the folder: the servers' own, their logs, the services' logs."""
    places = {}
    for path in folder.rglob("*"):
        if path.is_file():
            places[f"file {path.relative_to(folder)}"] = path.read_bytes()
    return places
