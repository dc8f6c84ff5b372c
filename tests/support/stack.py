"""The real stack as a test holds it, in a thread of its own: its processes are watched whatever the test does."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from anyio.from_thread import BlockingPortal, start_blocking_portal
from tests.support.servers import temporary_folder

from gateway_cli.local.log import read_tail
from gateway_cli.local.settings import throwaway_settings
from gateway_cli.local.stack import Stack, running_stack


class LiveStack:
    """Servers and services by name (`postgres`, `redis`, `api`, ...); each can be stopped, killed and started."""

    def __init__(self, stack: Stack, portal: BlockingPortal) -> None:
        self._stack = stack
        self._portal = portal
        self.api_url = stack.api_url
        self.dashboard_url = stack.dashboard_url
        self.sdk_url = stack.sdk_url
        self.database_url = stack.settings.effective_database_url
        self.owner_url = stack.settings.owner_database_url
        self.redis_url = stack.settings.effective_redis_url
        self.data_folder = stack.settings.data_folder
        self.metrics_urls = [
            f"http://127.0.0.1:{port}/metrics"
            for name, port in stack.settings.ports.items()
            if name.endswith("METRICS_PORT")
        ]

    def start(self, name: str) -> None:
        """Start one again; returns when it is ready."""
        self._portal.call(self._stack.start, name)

    def stop(self, name: str) -> int | None:
        """Stop one in its own good time; its exit status."""
        self._portal.call(self._stack.stop, name)
        return self._stack.processes[name].exit_status

    def kill(self, name: str) -> None:
        """`kill -9`; returns when it is gone."""
        self._portal.call(self._stack.kill, name)
        self._portal.call(self._stack.processes[name].wait)

    def pid(self, name: str) -> int | None:
        """The number of the running process; None if it does not run."""
        return self._stack.processes[name].pid

    def log(self, name: str = "") -> str:
        """What all have written to the log, or only one of them."""
        return "\n".join(read_tail(self._stack.settings.log_path, 100_000, name))


@contextmanager
def live_stack(environment: Mapping[str, str], *, without: Collection[str] = ()) -> Iterator[LiveStack]:
    """Run the stack on free ports in a temporary folder, its services with these settings on top of ours."""
    with temporary_folder() as folder, start_blocking_portal() as portal:
        settings = throwaway_settings({**os.environ, **environment}, folder)
        with portal.wrap_async_context_manager(running_stack(settings, without=without)) as stack:
            yield LiveStack(stack, portal)
