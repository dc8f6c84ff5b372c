"""The doctor at Redis: is it there, is it new enough, and does it keep what it is given."""

from collections.abc import Mapping

from gateway_cli.doctor.answer import Answer, compare_clocks, fine, problem
from gateway_common.clock import system_clock
from gateway_common.queue.broker import QueueUnavailableError
from gateway_common.queue.inspection import RedisFacts, inspect_redis

OLDEST_VERSION = (7, 2)


async def examine_redis(environment: Mapping[str, str]) -> list[Answer]:
    url = environment.get("REDIS_URL")
    if not url:
        return [problem("REDIS_URL is not set: `make up` needs none, the services by themselves do.")]
    asked = system_clock()
    try:
        servers = await inspect_redis(url)
    except QueueUnavailableError as error:
        return [problem(f"The Redis of REDIS_URL can't be used: {error}")]
    except ValueError as error:
        return [problem(f"REDIS_URL {error}.")]
    answered = system_clock()
    answers = [
        answer
        for facts in servers
        for answer in (
            _judge_version(facts),
            compare_clocks("Redis", facts.now, asked, answered),
            _judge_policy(facts),
        )
    ]
    # The nodes of a cluster mostly have the same to say.
    return list(dict.fromkeys(answers))


def _judge_version(facts: RedisFacts) -> Answer:
    if facts.compatible_version < OLDEST_VERSION:
        oldest = ".".join(map(str, OLDEST_VERSION))
        return problem(f"Redis is {facts.version}: {oldest} is the oldest that will do.")
    return fine(f"{facts.name.capitalize()} {facts.version} answers at REDIS_URL.")


def _judge_policy(facts: RedisFacts) -> Answer:
    if facts.maxmemory_policy == "noeviction":
        return fine("Redis throws nothing away when its memory is full (noeviction).")
    return problem(
        f"Redis throws away what it likes when its memory is full ({facts.maxmemory_policy}), streams too: "
        "set maxmemory-policy to noeviction."
    )
