"""The whole examination, in the order in which a person would put things right."""

import asyncio
from collections.abc import Mapping

import typer

from gateway_cli.doctor.answer import Answer
from gateway_cli.doctor.configuration import examine_services
from gateway_cli.doctor.database import examine_database
from gateway_cli.doctor.listening import examine_ports
from gateway_cli.doctor.master_keys import examine_master_keys
from gateway_cli.doctor.redis_server import examine_redis


async def print_examination(environment: Mapping[str, str]) -> None:
    """Print a line for each thing that was looked at; typer.Exit with 1 if one is not fine."""
    answers = await examine(environment)
    for answer in answers:
        print(f"{'ok' if answer.is_fine else 'problem':8} {answer.sentence}")
    problems = sum(not answer.is_fine for answer in answers)
    if problems:
        print(f"\n{problems} of {len(answers)} things are not as they should be.")
        raise typer.Exit(1)
    print("\nAll is as it should be.")


async def examine(environment: Mapping[str, str]) -> list[Answer]:
    database, redis, services, ports = await asyncio.gather(
        examine_database(environment),
        examine_redis(environment),
        examine_services(environment),
        examine_ports(environment),
    )
    return [*database, *redis, examine_master_keys(environment), *services, *ports]
