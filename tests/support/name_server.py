"""A name server of a test's own on UDP, and the look-up that asks it: enough of RFC 1035 for one A question."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_HEADER = struct.Struct(">HHHHHH")
_ANSWERED, _A_IN = 0x8180, struct.pack(">HH", 1, 1)
_NAME_OF_THE_QUESTION = b"\xc0\x0c"
Answers = Callable[[], list[str]]


@contextmanager
def name_server(answers: Answers) -> Iterator[Callable[[str, int], list[str]]]:
    """Answers every question with what `answers` says then, to be kept for no time; gives the look-up that asks it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_serve, args=(server, answers), daemon=True)
        thread.start()
        address = server.getsockname()
        yield lambda host, _port: _ask(address, host)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", address)
        thread.join()


def _serve(server: socket.socket, answers: Answers) -> None:
    while True:
        question, client = server.recvfrom(512)
        if not question:
            return
        addresses = answers()
        header = _HEADER.pack(int.from_bytes(question[:2]), _ANSWERED, 1, len(addresses), 0, 0)
        records = b"".join(
            _NAME_OF_THE_QUESTION + _A_IN + struct.pack(">IH", 0, 4) + socket.inet_aton(address)
            for address in addresses
        )
        server.sendto(header + question[_HEADER.size :] + records, client)


def _ask(server: tuple[str, int], host: str) -> list[str]:
    name = b"".join(bytes([len(label)]) + label.encode() for label in host.split(".")) + b"\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(_HEADER.pack(1, 0x0100, 1, 0, 0, 0) + name + _A_IN, server)
        answer = client.recv(512)
    start = _HEADER.size + len(name) + len(_A_IN)
    records = answer[start:]
    return [socket.inet_ntoa(records[at + 12 : at + 16]) for at in range(0, len(records), 16)]
