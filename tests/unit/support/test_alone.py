"""Tests that need the machine for themselves get it, and soon, however many others keep coming."""

import threading
import time
from pathlib import Path

from tests.support.alone import Doors


def test_many_share_the_room_and_one_has_it_alone_though_others_keep_coming(tmp_path: Path) -> None:
    inside, beside, company, over = set[int](), list[set[int]](), set[int](), threading.Event()

    def keep_coming(number: int) -> None:
        while not over.is_set():
            with Doors(tmp_path).passed(alone=False):
                inside.add(number)
                company.add(len(inside))
                time.sleep(0.01)
                inside.discard(number)

    others = [threading.Thread(target=keep_coming, args=(number,)) for number in range(4)]
    for other in others:
        other.start()
    for _ in range(10):
        time.sleep(0.02)
        with Doors(tmp_path).passed(alone=True):
            beside.append(set(inside))
            time.sleep(0.02)
            beside.append(set(inside))
    over.set()
    for other in others:
        other.join()

    assert beside == [set()] * 20
    assert max(company) > 1
