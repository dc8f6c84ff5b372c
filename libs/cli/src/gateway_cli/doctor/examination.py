"""The whole examination, in the order in which a person would put things right."""

import asyncio

import typer

from gateway_cli.doctor.answer import Answer
from gateway_cli.doctor.configuration import examine_services
from gateway_cli.doctor.database import examine_database
from gateway_cli.doctor.listening import examine_ports
from gateway_cli.doctor.master_keys import examine_master_keys
from gateway_cli.doctor.redis_server import examine_redis
from gateway_cli.doctor.surroundings import Surroundings


async def print_examination(surroundings: Surroundings) -> None:
    """Print a line for each thing that was looked at; typer.Exit with 1 if one is not fine."""
    answers = await examine(surroundings)
    for answer in answers:
        print(f"{'ok' if answer.is_fine else 'problem':8} {answer.sentence}")
    problems = sum(not answer.is_fine for answer in answers)
    if problems:
        print(f"\n{_summarize(problems, len(answers))}")
        raise typer.Exit(1)
    print("\nAll is as it should be.")


def _summarize(problems: int, all_things: int) -> str:
    if problems == 1:
        return f"1 of {all_things} things is not as it should be."
    return f"{problems} of {all_things} things are not as they should be."


async def examine(surroundings: Surroundings) -> list[Answer]:
    environment = surroundings.environment
    stores, services, ports = await asyncio.gather(
        _examine_stores(surroundings), examine_services(environment), examine_ports(environment)
    )
    return [*surroundings.notes, *stores, *services, *ports]


async def _examine_stores(surroundings: Surroundings) -> list[Answer]:
    if not surroundings.has_stores:
        return []
    environment = surroundings.environment
    database, redis = await asyncio.gather(examine_database(environment), examine_redis(environment))
    return [*database, *redis, examine_master_keys(environment)]
