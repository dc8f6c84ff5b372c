"""The doctor at PostgreSQL: is it there, new enough and migrated, who are we in it, and are its master keys ours."""

from collections.abc import Mapping

from gateway_cli.database import check_database
from gateway_cli.doctor.answer import Answer, compare_clocks, fine, problem
from gateway_cli.doctor.master_keys import examine_key_ids
from gateway_cli.failure import Failure
from gateway_common.clock import system_clock
from gateway_common.db.database import Connection, Database, DatabaseUnavailableError, StatementRefusedError
from gateway_common.db.inspection import ServerFacts, inspect_server
from gateway_common.db.schema import schema_check
from gateway_common.merchants.model import is_active
from gateway_common.merchants.seed import TEST_KEY
from gateway_common.merchants.store import find_api_key
from gateway_common.providers.store import list_routes
from gateway_common.settings import normalize_database_url

OLDEST_VERSION = 15
ROLES = 'see "The two database roles" in the README'


async def examine_database(environment: Mapping[str, str]) -> list[Answer]:
    url = environment.get("DATABASE_URL")
    if not url:
        return [problem("DATABASE_URL is not set: `make up` needs none, the services by themselves do.")]
    try:
        await check_database(url)
    except Failure as failure:
        return [problem(str(failure))]
    database = Database(normalize_database_url(url), application_name="gateway-doctor", pool_size=2)
    try:
        return await _examine(database, environment)
    except (DatabaseUnavailableError, StatementRefusedError) as error:
        return [problem(f"PostgreSQL does not answer a simple question: {error.__cause__ or error}")]
    finally:
        await database.close()


async def _examine(database: Database, environment: Mapping[str, str]) -> list[Answer]:
    async with database.statement() as connection:
        asked = system_clock()
        facts = await inspect_server(connection)
        answers = [_judge_version(facts), compare_clocks("PostgreSQL", facts.now, asked, system_clock())]
        schema = await schema_check(database)()
        if schema != "ok":
            return [*answers, problem(f"The database is not ready, {schema}.")]
        answers += [fine("The database has the newest schema."), _judge_role(facts)]
        answers.append(await _judge_test_key(connection, environment))
        answers.append(await _judge_routes(connection))
        return answers + await examine_key_ids(connection, environment)


def _judge_version(facts: ServerFacts) -> Answer:
    if facts.major_version < OLDEST_VERSION:
        return problem(f"PostgreSQL is {facts.version}: {OLDEST_VERSION} is the oldest that will do.")
    return fine(f"PostgreSQL {facts.version} answers at DATABASE_URL.")


def _judge_role(facts: ServerFacts) -> Answer:
    if facts.is_superuser or facts.is_owner:
        what = "a superuser" if facts.is_superuser else "the owner of the tables"
        return problem(f"DATABASE_URL signs in as {facts.role}, {what}, who can rewrite the ledger: {ROLES}.")
    if facts.can_change_ledger:
        return problem(f"The role {facts.role} may change the ledger: take its rights away, {ROLES}.")
    if not facts.can_work:
        return problem(f"The role {facts.role} may not write what a service must: GRANT it gateway_service, {ROLES}.")
    return fine(f"The role {facts.role} may work, and can't change the ledger.")


async def _judge_test_key(connection: Connection, environment: Mapping[str, str]) -> Answer:
    key = await find_api_key(connection, TEST_KEY)
    if key is None or not is_active(key, system_clock()):
        return fine("The published test key opens nothing here.")
    if environment.get("TEST_MODE", "").lower() == "true":
        return fine("The published test key is there, as TEST_MODE wants it.")
    return problem(
        f"DANGER: the published test key {TEST_KEY} opens this database, though TEST_MODE is not true: "
        "revoke it, or set TEST_MODE=true if no real money is behind it."
    )


async def _judge_routes(connection: Connection) -> Answer:
    modes = {route.livemode for route in await list_routes(connection)}
    if not modes:
        return problem("No route leads to a provider, so no payment is taken: see `gateway routes set`.")
    if len(modes) == 1:
        with_route, without = ("live", "test") if True in modes else ("test", "live")
        return fine(f"A provider takes {with_route} payments; {without} ones have no route and are refused.")
    return fine("Providers take test and live payments.")
