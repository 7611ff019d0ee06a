"""The catalogue of rules: one row per rule; names, messages, pages and tests derive from it.

Templates are filled with `subject` (what the statement does, in the user's words),
`name` (the setting, lock, channel …), `pooler`, and `local` (the transaction form of
the statement, where PostgreSQL has one). Facts about PostgreSQL: chapters 13.3
(advisory locks), 54.24 (pg_settings) and the pages of the SQL commands named in each
row. What poolers do with each kind of state stands in `poolers/products.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..effects import Effect, EffectKind, Verb
from ..poolers.answers import Answer
from .rule import EVERY_LEVEL, Level, Rule

__all__ = ["EVERY_LEVEL", "RULES", "Level", "Rule", "rule_for"]

_ROWS = (
    Rule(
        name="session-set",
        title="A setting is changed for the whole session",
        what="{subject} outlives the transaction",
        why={
            Answer.LEAKS: "behind {pooler} the server connection goes back to the pool at COMMIT"
            " with {name} still changed; the next client inherits it, and this client"
            " may get a connection without it",
            Answer.LOST: "behind {pooler} {name} is reset when the transaction ends; the"
            " statements after it run without it",
            Answer.ERRORS: "{pooler} refuses the statement",
        },
        fix="{local} inside the transaction that needs it",
        matches=((EffectKind.SETTING, Verb.ACQUIRE), (EffectKind.SETTING, Verb.RELEASE)),
        levels=(*EVERY_LEVEL, Level.REWRITE, Level.CARRY),
        default=Level.CARRY,
        bad=(
            "SET statement_timeout = '2s'",
            "RESET work_mem",
            "SELECT set_config('app.tenant', '7', false)",
            "UPDATE pg_settings SET setting = '1MB' WHERE name = 'work_mem'",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        ),
        good=(
            "BEGIN; SET LOCAL statement_timeout = '2s'; COMMIT",
            "SELECT set_config('app.tenant', '7', true)",
            "UPDATE cart SET item = 1",
            "ALTER ROLE app SET work_mem = '1MB'",
            "SHOW work_mem",
        ),
        references=("https://www.postgresql.org/docs/current/sql-set.html",),
    ),
    Rule(
        name="session-role",
        title="The role is changed for the whole session",
        what="{subject} outlives the transaction",
        why={
            Answer.LEAKS: "behind {pooler} the server connection goes back to the pool at COMMIT"
            " under the changed role; the next client runs with its privileges",
            Answer.LOST: "behind {pooler} the role is reset when the transaction ends; the"
            " statements after it run under the login role",
            Answer.ERRORS: "{pooler} refuses the statement",
        },
        fix="{local} inside the transaction that needs it",
        matches=((EffectKind.ROLE, Verb.ACQUIRE), (EffectKind.ROLE, Verb.RELEASE)),
        levels=(*EVERY_LEVEL, Level.REWRITE, Level.CARRY),
        default=Level.CARRY,
        bad=("SET ROLE reporting", "SET SESSION AUTHORIZATION app", "RESET ROLE"),
        good=("BEGIN; SET LOCAL ROLE reporting; COMMIT", "GRANT reporting TO app"),
        references=("https://www.postgresql.org/docs/current/sql-set-role.html",),
    ),
    Rule(
        name="set-local-outside-transaction",
        title="SET LOCAL without a transaction has no effect",
        what="{subject} has no effect outside a transaction",
        why={
            Answer.LEAKS: "in autocommit SET LOCAL ends with its own statement, behind {pooler} as"
            " on a direct connection; the server only sends a WARNING (25P01)",
        },
        fix="open a transaction first: BEGIN; {statement}; …; COMMIT",
        default=Level.IGNORE,
        bad=("SET LOCAL statement_timeout = '2s'",),
        good=("BEGIN; SET LOCAL statement_timeout = '2s'; COMMIT",),
        references=("https://www.postgresql.org/docs/current/sql-set.html",),
    ),
    Rule(
        name="settings-not-carried",
        title="A statement runs without the settings of its connection",
        what="{subject} runs without this connection's settings ({name})",
        why={
            Answer.LEAKS: "it must run outside a transaction block, or may end the transaction"
            " that it is in, or comes by a way that leaves no room for settings (stream());"
            " behind {pooler} settings travel in a transaction only, since SET"
            " would stay with a server connection that other clients share",
        },
        fix="run it on a direct connection, or give the settings to the role: ALTER ROLE … SET …",
        bad=(
            "VACUUM orders",
            "CREATE INDEX CONCURRENTLY ON orders (item)",
            "CALL archive()",
            "DO $$BEGIN COMMIT; END$$",
        ),
        good=("ANALYZE orders", "CREATE INDEX ON orders (item)", "DO $$BEGIN PERFORM 1; END$$"),
        references=(
            "https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING",
        ),
    ),
    Rule(
        name="empty-custom-setting",
        title="A custom setting is cast to a type that '' does not fit",
        what="{subject} casts {name} to {type}, which fails where the setting is ''",
        why={
            Answer.LEAKS: "SET LOCAL of a custom setting leaves '' behind, not NULL, when its"
            " transaction is over; behind {pooler} the next client on that server connection"
            " meets it: invalid input syntax",
        },
        fix="nullif(current_setting('{name}', true), '')::{type}",
        bad=(
            "CREATE POLICY mine ON orders USING (tenant = current_setting('app.tenant')::uuid)",
            "CREATE VIEW v AS SELECT CAST(current_setting('app.tenant', true) AS int) AS id",
        ),
        good=(
            "CREATE VIEW v AS SELECT nullif(current_setting('app.tenant', true), '')::int AS id",
            "CREATE POLICY mine ON orders USING (tenant = current_setting('app.tenant', true))",
        ),
        references=(
            "https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SET",
            "https://www.postgresql.org/docs/current/runtime-config-custom.html",
        ),
    ),
    Rule(
        name="advisory-lock",
        title="A session advisory lock is taken and not released in the same transaction",
        what="{subject} outlives the transaction",
        why={
            Answer.LEAKS: "behind {pooler} the lock stays with the server connection, which other"
            " clients share: the unlock may reach another connection, and the lock then"
            " stays for ever, while whoever gets this connection can take it again",
            Answer.LOST: "behind {pooler} the lock is released when the transaction ends; two"
            " clients can hold it at once",
        },
        fix="pg_advisory_xact_lock(…), which the end of the transaction releases, or take the"
        " lock on a direct connection",
        matches=((EffectKind.ADVISORY_LOCK, Verb.ACQUIRE),),
        bad=("SELECT pg_advisory_lock(1)", "SELECT pg_try_advisory_lock_shared(1, 2)"),
        good=(
            "SELECT pg_advisory_xact_lock(1)",
            "BEGIN; SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1); COMMIT",
        ),
        references=(
            "https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS",
        ),
    ),
    Rule(
        name="unlock-not-held",
        title="An advisory lock is released in another transaction than it was taken in",
        what="{subject} releases a lock that this transaction does not hold",
        why={
            Answer.LEAKS: "behind {pooler} it may reach another server connection: it then returns"
            " false, nobody notices, and the lock stays for ever — or it releases another"
            " client's lock",
            Answer.LOST: "behind {pooler} the lock was already released when its transaction"
            " ended; this returns false",
        },
        fix="lock and unlock in one transaction, or use pg_advisory_xact_lock(…)",
        matches=((EffectKind.ADVISORY_LOCK, Verb.RELEASE),),
        under="advisory-lock",
        bad=("SELECT pg_advisory_unlock(1)", "SELECT pg_advisory_unlock_all()"),
        good=("BEGIN; SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1); COMMIT",),
        references=(
            "https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS",
        ),
    ),
    Rule(
        name="listen",
        title="LISTEN needs a session of its own",
        what="{subject} needs a session of its own",
        why={
            Answer.LEAKS: "behind {pooler} the server connection that listens goes back to the"
            " pool: notifications reach another client or nobody",
            Answer.LOST: "behind {pooler} the channel is dropped when the transaction ends; no"
            " notification arrives",
            Answer.ERRORS: "{pooler} refuses the statement",
        },
        fix="listen on a direct connection (NOTIFY works through the pooler)",
        matches=((EffectKind.CHANNEL, Verb.ACQUIRE), (EffectKind.CHANNEL, Verb.RELEASE)),
        bad=("LISTEN jobs", "UNLISTEN *"),
        good=("NOTIFY jobs", "SELECT pg_notify('jobs', '')", "SELECT listen FROM jobs"),
        references=("https://www.postgresql.org/docs/current/sql-listen.html",),
    ),
    Rule(
        name="temp-table",
        title="A temporary object outlives the transaction",
        what="{subject} outlives the transaction",
        why={
            Answer.LEAKS: "behind {pooler} the temporary object stays with the server connection:"
            " this client's next transaction may not see it, and other clients meet it",
            Answer.LOST: "behind {pooler} the temporary object is dropped when the transaction"
            " ends; the next statement does not find it",
        },
        fix="create it in the transaction that uses it, with ON COMMIT DROP (or DROP it before"
        " COMMIT)",
        matches=((EffectKind.TEMP_OBJECT, Verb.ACQUIRE), (EffectKind.TEMP_OBJECT, Verb.READ)),
        what_read="{subject} was made in an earlier transaction",
        bad=(
            "CREATE TEMP TABLE cart (id int)",
            "SELECT 1 AS id INTO TEMP cart",
            "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ),
        good=(
            "CREATE TEMP TABLE cart (id int) ON COMMIT DROP",
            "BEGIN; CREATE TEMP TABLE cart (id int); DROP TABLE cart; COMMIT",
            "CREATE TABLE temp (id int)",
        ),
        references=("https://www.postgresql.org/docs/current/sql-createtable.html",),
    ),
    Rule(
        name="hold-cursor",
        title="A WITH HOLD cursor outlives the transaction",
        what="{subject} outlives the transaction",
        why={
            Answer.LEAKS: "behind {pooler} the cursor stays with the server connection: the next"
            " FETCH may reach another one (cursor does not exist), and another client can"
            " read its rows",
            Answer.LOST: "behind {pooler} the cursor is closed when the transaction ends; the next"
            " FETCH fails",
        },
        fix="fetch inside one transaction without WITH HOLD, or on a direct connection",
        matches=((EffectKind.HELD_CURSOR, Verb.ACQUIRE), (EffectKind.HELD_CURSOR, Verb.READ)),
        what_read="{subject} was made in an earlier transaction",
        bad=("DECLARE c CURSOR WITH HOLD FOR SELECT 1",),
        good=(
            "BEGIN; DECLARE c CURSOR FOR SELECT 1; COMMIT",
            "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; CLOSE c; COMMIT",
        ),
        references=("https://www.postgresql.org/docs/current/sql-declare.html",),
    ),
    Rule(
        name="sql-prepare",
        title="SQL-level PREPARE, EXECUTE and DEALLOCATE",
        what="{subject} works only within one session",
        why={
            Answer.LEAKS: "behind {pooler} an SQL-level prepared statement stays with the server"
            " connection: EXECUTE may reach another one (statement does not exist, or"
            " another client's statement of that name)",
            Answer.LOST: "behind {pooler} the prepared statement is gone when the transaction ends",
            Answer.ERRORS: "{pooler} refuses SQL-level prepared statements",
        },
        fix="let the driver prepare it (parameters in execute()), or PREPARE, EXECUTE and"
        " DEALLOCATE in one transaction",
        matches=(
            (EffectKind.PREPARED_STATEMENT, Verb.ACQUIRE),
            (EffectKind.PREPARED_STATEMENT, Verb.READ),
            (EffectKind.PREPARED_STATEMENT, Verb.RELEASE),
        ),
        bad=("PREPARE p AS SELECT 1", "EXECUTE p", "DEALLOCATE ALL"),
        good=(
            "BEGIN; PREPARE p AS SELECT 1; EXECUTE p; DEALLOCATE p; COMMIT",
            "GRANT EXECUTE ON FUNCTION f() TO app",
        ),
        references=("https://www.postgresql.org/docs/current/sql-prepare.html",),
    ),
    Rule(
        name="named-prepare",
        title="The driver prepares statements by name and the pooler does not track them",
        what="the driver keeps named prepared statements ({name})",
        why={
            Answer.LEAKS: "{pooler} does not track protocol-level prepared statements: a name may"
            " not exist on the next server connection, or belong to another client's"
            " statement, whose rows then come back without any error",
        },
        fix="leave prepared='auto', or connect with prepare_threshold=None (psycopg) or"
        " statement_cache_size=0 (asyncpg)",
        levels=(*EVERY_LEVEL, Level.REWRITE),
        default=Level.REWRITE,
        references=("https://www.pgbouncer.org/config.html#max_prepared_statements",),
    ),
    Rule(
        name="load-library",
        title="LOAD changes the server process for good",
        what="{subject} stays in the server process",
        why={
            Answer.LEAKS: "behind {pooler} the library stays loaded in a server connection that"
            " other clients share, and this client's next transaction may run without it",
        },
        fix="session_preload_libraries for the role or database:"
        " ALTER ROLE … SET session_preload_libraries = …",
        matches=((EffectKind.LIBRARY, Verb.ACQUIRE),),
        bad=("LOAD 'auto_explain'",),
        good=("SELECT 'LOAD'", "COPY load FROM STDIN"),
        references=("https://www.postgresql.org/docs/current/sql-load.html",),
    ),
    Rule(
        name="sequence-state",
        title="currval or lastval outside the transaction of its nextval",
        what="{subject} reads what an earlier transaction drew",
        why={
            Answer.LEAKS: "behind {pooler} the value belongs to the server connection: this fails"
            " on another one, or returns the number that another client drew",
            Answer.LOST: "behind {pooler} the value is forgotten when the transaction ends; this"
            " fails",
        },
        fix="INSERT … RETURNING id, or call it in the transaction that drew the value",
        matches=((EffectKind.SEQUENCE, Verb.READ),),
        bad=("SELECT currval('cart_id_seq')", "SELECT lastval()"),
        good=(
            "SELECT nextval('cart_id_seq')",
            "BEGIN; INSERT INTO cart DEFAULT VALUES; SELECT lastval(); COMMIT",
        ),
        references=("https://www.postgresql.org/docs/current/functions-sequence.html",),
    ),
    Rule(
        name="session-function",
        title="A function that keeps something in the session",
        what="{subject} keeps something in the session",
        why={
            Answer.LEAKS: "behind {pooler} it stays with a server connection that other clients"
            " share, and this client's next transaction may run without it",
            Answer.LOST: "behind {pooler} it may be gone when the transaction ends",
        },
        fix="call it on a direct connection, or undo it in the same transaction",
        matches=(
            (EffectKind.SESSION_FUNCTION, Verb.ACQUIRE),
            (EffectKind.SESSION_FUNCTION, Verb.RELEASE),
        ),
        bad=("SELECT setseed(0.5)", "SELECT dblink_connect('c', 'dbname=shop')"),
        good=("SELECT random()", "SELECT * FROM dblink('dbname=shop', 'SELECT 1') AS t(i int)"),
        references=("https://www.postgresql.org/docs/current/functions-math.html",),
    ),
    Rule(
        name="discard",
        title="DISCARD reaches whichever server connection comes next",
        what="{subject} resets a server connection that other clients share",
        why={
            Answer.LEAKS: "behind {pooler} it does not reach this client's session but whichever"
            " server connection comes next, and undoes what other clients count on there",
        },
        fix="drop it: a transaction pooler has no session to clean up",
        matches=((EffectKind.EVERYTHING, Verb.RELEASE),),
        bad=("DISCARD ALL", "DISCARD TEMP"),
        good=("SELECT discard FROM cards",),
        references=("https://www.postgresql.org/docs/current/sql-discard.html",),
    ),
    Rule(
        name="opaque-code",
        title="Code that runs in the server and cannot be read",
        what="{subject} cannot be read",
        why={
            Answer.LEAKS: "the code is computed or in a language that is not read here; behind"
            " {pooler} whatever it leaves in the session would leak",
        },
        fix="check by hand that it leaves no session state, then allow it",
        matches=((EffectKind.OPAQUE_CODE, Verb.ACQUIRE),),
        default=Level.IGNORE,
        bad=("DO $$BEGIN EXECUTE current_setting('app.todo'); END$$",),
        good=("DO $$BEGIN PERFORM 1; END$$",),
    ),
    Rule(
        name="unreadable-statement",
        title="A statement that could not be read",
        what="{subject} could not be read",
        why={
            Answer.LEAKS: "its text is not complete (an open quote or comment) or not"
            " PostgreSQL's SQL, so that it cannot be called safe behind {pooler}",
        },
        fix="close the quote or comment; the server refuses the text as it is",
        matches=((EffectKind.UNREADABLE, Verb.ACQUIRE),),
        bad=("SELECT 'unclosed; SET work_mem = 1", "/* LISTEN jobs", "USE another_database"),
        good=("SELECT 1",),
    ),
    Rule(
        name="statement-mode-transaction",
        title="A transaction behind a pooler in statement mode",
        what="{subject} opens a transaction behind a pooler in statement mode",
        why={
            Answer.LEAKS: "{pooler} gives every statement its own server connection: it closes"
            " the client connection at BEGIN, or lets each statement commit by itself",
        },
        fix="connect with autocommit, or have the pool set to transaction mode",
        references=("https://www.pgbouncer.org/features.html",),
    ),
    Rule(
        name="startup-options",
        title="Settings in the connection's options that the pooler refuses or drops",
        what="{name} in the connection's options does not arrive",
        why={
            Answer.LEAKS: "{pooler} sets {name} on a server connection that other clients share",
            Answer.LOST: "{pooler} lets the client in and drops {name} without a word",
            Answer.ERRORS: "{pooler} refuses the connection because of {name}",
        },
        fix="ALTER ROLE … SET {name} = …, or SET LOCAL in the transactions that need it",
        references=(
            "https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS",
            "https://www.pgbouncer.org/config.html#ignore_startup_parameters",
        ),
    ),
    Rule(
        name="residue",
        title="Code in the database leaves something in the session",
        what="{subject} is left in the session by code that the text does not show",
        why={
            Answer.LEAKS: "the session carries it when the transaction is over and did not"
            " before (so it has happened): a function, a trigger or the like made it; behind"
            " {pooler} it would stay with a server connection that other clients share",
        },
        fix="in the code that the statement runs: {remedy}",
    ),
)

RULES: Mapping[str, Rule] = {rule.name: rule for rule in _ROWS}
"""Every rule by name, in the order in which they are listed."""

_BY_EFFECT = {match: rule for rule in _ROWS for match in rule.matches}


def rule_for(effect: Effect) -> Rule | None:
    """The rule that an effect falls under; None when it is no hazard by itself."""
    return _BY_EFFECT.get((effect.kind, effect.verb))
