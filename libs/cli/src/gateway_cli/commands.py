"""The commands that run a stack on this machine: what they are called with, and nothing of how they do it."""

import os
from pathlib import Path
from typing import Annotated

import typer

from gateway_cli.demo.performance import perform
from gateway_cli.local import supervisor
from gateway_cli.local.settings import DEFAULT_DATA_FOLDER, read_settings

DataFolder = Annotated[Path, typer.Option("--data", help="Where the servers keep their data, and the log.")]
Fast = Annotated[bool, typer.Option("--fast", help="Let the simulated provider answer within a second.")]


def up(data: DataFolder = DEFAULT_DATA_FOLDER) -> None:
    """Run the whole gateway on this machine, until Ctrl-C."""
    supervisor.up(read_settings(os.environ, data))


def demo(*, fast: Fast = False) -> None:
    """Take a payment through its whole life on a stack of its own, and check every step."""
    perform(fast=fast)
