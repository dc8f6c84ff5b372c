"""One log line per event: JSON for machines, or a readable line for a laptop."""

import io
import logging
import sys
from functools import partial
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

_QUIET = {
    "uvicorn": logging.WARNING,
    "taskiq": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
}


def configure_logs(service: str, *, level: str, style: str) -> None:
    """Send our own lines and those of libraries to stdout in one form. Call once, first thing in `main`."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe would otherwise hold lines back until 8 KiB are full, and lose them with the process.
        sys.stdout.reconfigure(line_buffering=True)
    threshold = logging.getLevelNamesMapping()[level]
    shared: list[Any] = [structlog.processors.add_log_level, structlog.processors.format_exc_info]
    if style == "json":
        renderer: Any = structlog.processors.JSONRenderer(serializer=_dumps)
        shared += [structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"), partial(_name_service, service)]
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, pad_level=False, sort_keys=False)
        shared += [structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False, key="timestamp"), _leave_out_empty]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=threshold, force=True)
    for name, quiet_level in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet_level, threshold))


def _name_service(service: str, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event["service"] = service
    return event


def _leave_out_empty(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """For eyes: without what did not happen, and without the trace that only machines follow."""
    return {name: value for name, value in event.items() if value is not None and name != "trace_id"}


def _dumps(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=repr).decode()


def get_logger() -> Any:
    return structlog.get_logger()
