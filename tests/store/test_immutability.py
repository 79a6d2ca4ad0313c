"""What is recorded cannot be changed: the application has no right to, and triggers refuse it to everybody else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, RestrictViolation

from conftest import ACCOUNT, Urls
from iamledger import store
from iamledger.store import Connection, Context, NewEvent, Request, SealedSecret, SecretChanges

APPEND_ONLY = ("events", "event_tags", "requests")
TABLES = (*APPEND_ONLY, "ledgers", "personal", "secrets", "data_keys")


@pytest.fixture(scope="module")
def urls(new_database: Callable[[], Urls]) -> Urls:
    """One database for all tests here: none of them can change it."""
    urls = new_database()
    with session(urls) as application:
        event = NewEvent("AccountCreated", {"email": "root@acme.example"}, ["account:1"], personal=["email"])
        secrets = SecretChanges([SealedSecret("AKIA1", "k", b"sealed")], data_key=("master", b"wrapped"))
        store.append(
            application, ACCOUNT, [event], context=Context(), request=Request("r", "f"), opens=True, secrets=secrets
        )
    return urls


def session(urls: Urls, role: str = "iamledger_app") -> Connection:
    """A session of this very role, with nothing to fall back to."""
    connection = psycopg.connect(urls.superuser, autocommit=True)
    if role != "superuser":
        connection.execute(f"SET SESSION AUTHORIZATION {role}")
    return connection


@pytest.fixture
def application(urls: Urls) -> Iterator[Connection]:
    with session(urls) as connection:
        yield connection


@pytest.fixture(autouse=True)
def _unchanged(urls: Urls) -> Iterator[None]:
    """Whatever a test tries, afterwards every table is as it was."""
    with session(urls, "superuser") as observer:
        before = contents(observer)
        yield
        assert contents(observer) == before


def contents(connection: Connection) -> list[Any]:
    return [connection.execute(f"SELECT t::text FROM iamledger.{table} t ORDER BY 1").fetchall() for table in TABLES]


class TestTheApplication:
    @pytest.mark.parametrize("table", TABLES)
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE iamledger.{} SET account_id = account_id",
            "UPDATE iamledger.{} SET account_id = account_id WHERE false",
            "DELETE FROM iamledger.{}",
            "TRUNCATE iamledger.{}",
            "TRUNCATE iamledger.{} CASCADE",
            "INSERT INTO iamledger.{0} SELECT * FROM iamledger.{0}",
            "COPY iamledger.{} FROM STDIN",
            "MERGE INTO iamledger.{0} t USING iamledger.{0} s ON t = s WHEN MATCHED THEN DELETE",
            "SELECT FROM iamledger.{} FOR UPDATE",
            "LOCK TABLE iamledger.{} IN EXCLUSIVE MODE",
            "DROP TABLE iamledger.{} CASCADE",
            "ALTER TABLE iamledger.{} DISABLE TRIGGER ALL",
            "ALTER TABLE iamledger.{} ADD COLUMN extra integer",
            "ALTER TABLE iamledger.{} RENAME TO other",
            "ALTER TABLE iamledger.{} OWNER TO iamledger_app",
            "ALTER TABLE iamledger.{} SET SCHEMA iamledger_projections",
            "ALTER TABLE iamledger.{} ENABLE ROW LEVEL SECURITY",
            "CREATE TRIGGER mine BEFORE INSERT ON iamledger.{} EXECUTE FUNCTION iamledger.refuse_change()",
            "CREATE RULE mine AS ON INSERT TO iamledger.{} DO INSTEAD NOTHING",
            "CREATE INDEX ON iamledger.{} (account_id)",
            "CREATE TABLE iamledger_projections.child () INHERITS (iamledger.{})",
        ],
    )
    def test_it_may_only_read(self, application: Connection, table: str, statement: str) -> None:
        with pytest.raises(InsufficientPrivilege), application.transaction():
            application.execute(statement.format(table))

    @pytest.mark.parametrize(
        "statement",
        [
            "DROP TRIGGER immutable ON iamledger.events",
            "DROP SCHEMA iamledger CASCADE",
            "DROP OWNED BY iamledger_owner",
            "REASSIGN OWNED BY iamledger_owner TO iamledger_app",
            "SET ROLE iamledger_owner",
            "SET session_replication_role = replica",
            "CREATE TABLE iamledger.mine ()",
            "CREATE FUNCTION iamledger.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "CREATE OR REPLACE FUNCTION iamledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "CREATE OR REPLACE VIEW iamledger.recorded AS SELECT 1",
            "DROP FUNCTION iamledger.append CASCADE",
            "ALTER FUNCTION iamledger.append SET search_path = iamledger_projections",
            "ALTER FUNCTION iamledger.append SECURITY INVOKER",
            "ALTER FUNCTION iamledger.append OWNER TO iamledger_app",
            "GRANT iamledger_owner TO iamledger_app",
            "UPDATE pg_catalog.pg_trigger SET tgenabled = 'D'",
            "DELETE FROM public.iamledger_migrations",
        ],
    )
    def test_it_has_no_way_around_that(self, application: Connection, statement: str) -> None:
        with pytest.raises(InsufficientPrivilege):
            application.execute(statement)

    @pytest.mark.parametrize(
        "statement", ["UPDATE {} SET type = 'x'", "DELETE FROM {}", "INSERT INTO {} DEFAULT VALUES"]
    )
    def test_it_cannot_write_through_the_view(self, application: Connection, statement: str) -> None:
        with pytest.raises((InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
            application.execute(statement.format("iamledger.recorded"))

    def test_it_owns_nothing_there(self, application: Connection) -> None:
        owned = application.execute(
            "SELECT pg_describe_object(classid, objid, objsubid) FROM pg_shdepend"
            " WHERE deptype = 'o' AND refobjid = 'iamledger_app'::regrole"
            "   AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchall()
        assert owned == []

    def test_it_is_no_member_of_a_role_that_could(self, application: Connection) -> None:
        roles = application.execute(
            "SELECT rolname::text FROM pg_roles WHERE pg_has_role('iamledger_app', oid, 'MEMBER')"
        ).fetchall()
        assert roles == [("iamledger_app",)]
        assert application.execute(
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_roles"
            " WHERE rolname = 'iamledger_app'"
        ).fetchone() == (False,)

    @pytest.mark.parametrize("role", ["iamledger_app", "public"])
    def test_its_rights_on_tables_are_these_and_no_others(self, application: Connection, role: str) -> None:
        granted = application.execute(
            "SELECT relname::text, string_agg(privilege_type, ' ' ORDER BY privilege_type)"
            "  FROM pg_class, aclexplode(relacl) WHERE relnamespace = 'iamledger'::regnamespace AND relkind <> 'c'"
            "   AND grantee = (CASE %s WHEN 'public' THEN 0 ELSE 'iamledger_app'::regrole END) GROUP BY 1",
            (role,),
        ).fetchall()
        rights = dict.fromkeys((*TABLES, "recorded"), "SELECT")
        rights |= dict.fromkeys(("projections", "projection_positions"), "DELETE INSERT SELECT UPDATE")
        assert dict(granted) == (rights if role == "iamledger_app" else {})


class TestTriggers:
    @pytest.mark.parametrize("role", ["iamledger_owner", "superuser"])
    @pytest.mark.parametrize("table", APPEND_ONLY)
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE iamledger.{} SET account_id = account_id",
            "UPDATE iamledger.{} SET account_id = account_id WHERE false",
            "DELETE FROM iamledger.{}",
            "TRUNCATE iamledger.{}",
            "TRUNCATE iamledger.{}, iamledger.ledgers CASCADE",
            "MERGE INTO iamledger.{0} t USING iamledger.{0} s ON t = s WHEN MATCHED THEN DELETE",
            "INSERT INTO iamledger.{0} SELECT * FROM iamledger.{0} ON CONFLICT ({1}) DO UPDATE SET account_id = '1'",
        ],
    )
    def test_they_refuse_it_to_the_owner_and_to_a_superuser(
        self, urls: Urls, role: str, table: str, statement: str
    ) -> None:
        keys = {"events": "account_id, position", "event_tags": "account_id, tag, type, position"}
        with session(urls, role) as connection, pytest.raises(RestrictViolation, match=f"{table} is append-only"):
            connection.execute(statement.format(table, keys.get(table, "account_id, request_id")))


class TestFunctions:
    def test_only_these_act_with_the_rights_of_the_owner(self, application: Connection) -> None:
        """What else the application may call acts with its own rights, which cannot change an event."""
        functions = application.execute(
            "SELECT proname::text, proconfig FROM pg_proc WHERE prosecdef"
            "   AND has_function_privilege('iamledger_app', oid, 'EXECUTE') ORDER BY 1"
        ).fetchall()
        path = ["search_path=pg_catalog, pg_temp"]
        assert functions == [("append", path), ("erase", path), ("position_at", path)]

    def test_nobody_else_may_call_them(self, urls: Urls) -> None:
        with session(urls, "superuser") as connection:
            public = connection.execute(
                "SELECT proname::text FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))"
                " WHERE pronamespace = 'iamledger'::regnamespace AND grantee = 0"
            ).fetchall()
        assert public == []

    def test_a_position_or_time_in_the_request_is_not_heeded(self, application: Connection) -> None:
        forged = {"position": 99, "recorded_at": "2001-01-01T00:00:00.000000Z", "account_id": "999999999999"}
        event = {
            "type": "T",
            "version": 1,
            "tags": ["a"],
            "context": {},
            "data": {},
            "body": "0" * 64,
            "personal": None,
        }
        with application.transaction(force_rollback=True):
            appended = application.execute(
                "SELECT split_part(iamledger.append(%s, %s, 'forged', '', NULL, NULL, false, NULL), ' ', 1)::bigint",
                (ACCOUNT, json.dumps([{**event, **forged, "first": 99, "leaf_hash": "\\x00"}])),
            ).fetchone()
            assert appended == (2,)
            recorded = store.read(application, ACCOUNT)[-1]
            assert (recorded.account_id, recorded.position) == (ACCOUNT, 2)
            assert recorded.recorded_at.year > 2001

    def test_the_answer_of_append_cannot_be_used_as_its_question(self, application: Connection) -> None:
        with pytest.raises(psycopg.errors.UndefinedFunction):
            application.execute(
                "SELECT iamledger.append(%s, '[]', 'r2', '', NULL, NULL, false, NULL, 99::bigint)", (ACCOUNT,)
            )

    def test_objects_of_the_application_do_not_get_between(self, application: Connection) -> None:
        """A trap for every name that append, erase and position_at use, where the application may create things."""
        with application.transaction(force_rollback=True):
            for schema in ("iamledger_projections", "pg_temp"):
                set_traps(application, schema)
            application.execute("SET LOCAL search_path = iamledger_projections, pg_temp, iamledger, pg_catalog")
            for trapped in ("clock_timestamp()", "sha256('x'::bytea)", "1 > 2::bigint", "jsonb_typeof('{}')"):
                with pytest.raises(psycopg.errors.RaiseException, match="hijacked"), application.transaction():
                    application.execute(f"SELECT {trapped}")
            event = NewEvent("T", {"email": "a@b.example"}, ["a", "b"], personal=["email"])
            secrets = SecretChanges([SealedSecret("AKIA2", "k", b"sealed")], ["AKIA1"])
            condition = store.Condition([store.Match(["x", "y"], ["T"]), store.Match(types=["U"])], 0)
            appended = store.append(
                application,
                ACCOUNT,
                [event],
                context=Context(),
                request=Request("trap", ""),
                condition=condition,
                secrets=secrets,
            )
            assert appended.first == 2
            assert application.execute(
                "SELECT iamledger.position_at(%s, %s::pg_catalog.timestamptz)", (ACCOUNT, appended.recorded_at)
            ).fetchone() == (2,)
            assert store.erase(application, ACCOUNT, 2)
            application.execute("SET LOCAL search_path = pg_catalog")
            assert len(store.read(application, ACCOUNT)) == 2


def set_traps(connection: Connection, schema: str) -> None:
    """Functions, operators, tables and types that bear the names of those in pg_catalog and iamledger."""
    body = "LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hijacked'; END $$"
    functions = connection.execute(
        "SELECT proname::text, oidvectortypes(proargtypes), format_type(prorettype, NULL), proretset"
        "  FROM pg_proc WHERE prokind = 'f' AND (pronamespace = 'iamledger'::regnamespace"
        "    OR pronamespace = 'pg_catalog'::regnamespace AND proname IN ("
        "       'clock_timestamp', 'sha256', 'convert_to', 'to_char', 'decode', 'to_jsonb', 'timezone',"
        "       'jsonb_array_length', 'jsonb_array_elements', 'jsonb_array_elements_text', 'jsonb_typeof', 'jsonb_each'))"
    ).fetchall()
    assert len(functions) > 20
    for name, arguments, result, is_set in functions:
        returns = f"SETOF {result}" if is_set else result
        connection.execute(f"CREATE FUNCTION {schema}.{name}({arguments}) RETURNS {returns} {body}")
    for left, right in (("integer", "bigint"), ("bigint", "bigint"), ("text", "text"), ("jsonb", "text")):
        connection.execute(f"CREATE FUNCTION {schema}.trap({left}, {right}) RETURNS boolean {body}")
        for operator in ("=", ">", "<=", "?", "<>"):
            connection.execute(
                f"CREATE OPERATOR {schema}.{operator} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = {schema}.trap)"
            )
    for table in (*TABLES, "recorded"):
        connection.execute(f"CREATE TABLE {schema}.{table} (account_id text)")
    for type_ in ("jsonb", "timestamptz"):
        connection.execute(f"CREATE TYPE {schema}.{type_} AS (a integer)")
