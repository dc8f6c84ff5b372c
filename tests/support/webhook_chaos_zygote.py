"""Forks dispatchers that live by the settings they are given. The child is the real worker."""

import os
from typing import Any

from tests.support.zygote import serve_lives

from gateway_common.serving import run
from gateway_webhook_dispatcher import worker


def live(settings: dict[str, Any]) -> None:
    os.environ.update(settings)
    run(worker.main)


if __name__ == "__main__":
    serve_lives(live)
