"""Whether psycopg may prepare statements by name here, and what to do if it may not."""

from __future__ import annotations

from collections.abc import Iterable

from ..poolers.answers import Pooler
from .check import Check, Grade
from .facts import Client, Facts


def prepares_are_safe(pooler: Pooler, client: Client) -> bool:
    """Whether psycopg may prepare statements by name here."""
    return not _prepare_trouble(pooler, client)


def _prepare_trouble(pooler: Pooler, client: Client) -> str:
    """Why psycopg's named prepared statements break; "" if they do not.

    psycopg sends DEALLOCATE ALL after a ROLLBACK, and closes a statement by the protocol
    only with libpq 17 (psycopg's documentation, chapter on prepared statements; PgBouncer's
    changelog of 1.21 and 1.22).
    """
    if not pooler.shares_sessions:
        return ""
    if not pooler.prepared:
        sure = (
            "does not track them"
            if pooler.prepared is False and pooler.mode
            else ("may not track them")
        )
        return (
            f"{pooler.title} {sure}: a name may not exist on the next server connection, or"
            " belong to another client's statement, whose rows then come back without an error"
        )
    if pooler.product == "pgbouncer" and pooler.version and pooler.version < (1, 22):
        return "PgBouncer before 1.22 does not understand the DEALLOCATE ALL that psycopg sends"
    if pooler.product == "supavisor":
        return "Supavisor closes the connection at the DEALLOCATE ALL that psycopg sends"
    if not client.closes_prepared and pooler.product != "pgdog":
        return (
            f"libpq {client.libpq_version} cannot close a prepared statement by the protocol, and"
            " DEALLOCATE names a statement that the pooler has renamed"
        )
    return ""


def named_prepare(facts: Facts) -> Iterable[Check]:
    """The check `named-prepare`."""
    trouble = _prepare_trouble(facts.pooler, facts.client)
    if trouble:
        yield Check(
            "named-prepare",
            Grade.FINDING,
            "prepared statements are not safe with psycopg's defaults (prepare_threshold=5)",
            trouble,
            (
                "pgpoolsafe.install(engine) switches them off by itself",
                "or connect with prepare_threshold=None",
                *_upgrade(facts),
                *_mode_is_known(facts.pooler),
            ),
        )
    else:
        yield Check("named-prepare", Grade.OK, "named prepared statements are safe", _safe(facts))


def _safe(facts: Facts) -> str:
    if not facts.pooler.shares_sessions:
        return "the session is the client's own"
    client = facts.client
    return (
        f"{facts.pooler.title} tracks them, and psycopg {client.psycopg} with libpq"
        f" {client.libpq_version} closes them so that it can"
    )


def _mode_is_known(pooler: Pooler) -> tuple[str, ...]:
    """In session pooling they are safe; the user may know what does not show."""
    return () if pooler.mode else ("or say --pool-mode session, if that is what it is",)


def _upgrade(facts: Facts) -> tuple[str, ...]:
    if facts.pooler.prepared:
        return () if facts.client.closes_prepared else ("or use psycopg with libpq 17",)
    if facts.pooler.product == "pgbouncer":
        return ("or have it track them: PgBouncer 1.22 with max_prepared_statements = 200",)
    return ()
