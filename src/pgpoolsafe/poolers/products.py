"""What each pooler does with session state: one row per product, versions and pool modes.

The rows are facts with a source, not behaviour. "Measured" means observed on real servers,
PostgreSQL 15 and 18; where a measurement and a document disagree, the measurement stands
here. What depends on the operator's configuration is the product's default, or the worst
that its documentation admits.

A new pooler or version is one row in `ROWS` (and one in `TITLES` if the product is new).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ..effects import EffectKind
from ..errors import ConfigurationError
from .answers import Answer, Pooler, PoolMode

Version = tuple[int, ...]

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "pgbouncer": "PgBouncer",
        "odyssey": "Odyssey",
        "pgagroal": "pgagroal",
        "pgpool": "Pgpool-II",
        "pgcat": "PgCat",
        "pgdog": "PgDog",
        "supavisor": "Supavisor",
        "pg_doorman": "pg_doorman",
        "rds-proxy": "RDS Proxy",
        "hyperdrive": "Cloudflare Hyperdrive",
        "unknown": "an unknown proxy",
    }
)
"""The name of each product for people."""

PRODUCTS: tuple[str, ...] = tuple(product for product in TITLES if product != "unknown")
"""The products that have rows, in the order of the documentation."""

_ALIASES = {
    "pgpool2": "pgpool",
    "pgpoolii": "pgpool",
    "supabase": "supavisor",
    "doorman": "pg_doorman",
    "awsrdsproxy": "rds-proxy",
    "rds": "rds-proxy",
    "cloudflarehyperdrive": "hyperdrive",
    "postgres": "direct",
    "postgresql": "direct",
}

COLUMNS = (
    EffectKind.SETTING,
    EffectKind.ROLE,
    EffectKind.ADVISORY_LOCK,
    EffectKind.PREPARED_STATEMENT,
    EffectKind.HELD_CURSOR,
    EffectKind.CHANNEL,
    EffectKind.TEMP_OBJECT,
    EffectKind.LIBRARY,
    EffectKind.SEQUENCE,
    EffectKind.SESSION_FUNCTION,
    EffectKind.EVERYTHING,
    EffectKind.OPAQUE_CODE,
    EffectKind.UNREADABLE,
)
"""The order in which a row lists its answers."""


def _answers(words: str) -> Mapping[EffectKind, Answer]:
    """Thirteen answers in the order of COLUMNS; a missing one fails at import."""
    answers = (Answer(word) for word in words.split())
    return MappingProxyType(dict(zip(COLUMNS, answers, strict=True)))


def _all(answer: Answer) -> Mapping[EffectKind, Answer]:
    return MappingProxyType(dict.fromkeys(COLUMNS, answer))


class Row(NamedTuple):
    """What one product does, from version `since` up to but not including `before`.

    `since` empty: from the beginning; None: the row for a version nobody has stated, which
    holds for all. `tracked`: settings (lower case) restored for each client. `if_reported`:
    further ones, where the server reports them; None: whatever the server reports.
    `prepared`: whether protocol-level prepared statements follow the client by default;
    None: configuration decides. `source`: where the row comes from. `begin_with_set`: what
    becomes of `BEGIN; SET LOCAL …` in one message. `shown`: tracked settings that also show
    to a client which has none of its own, or come back as something else.
    """

    product: str
    answers: Mapping[EffectKind, Answer]
    source: str
    modes: tuple[PoolMode, ...] = (PoolMode.TRANSACTION,)
    since: Version | None = ()
    before: Version | None = None
    tracked: frozenset[str] = frozenset()
    if_reported: frozenset[str] | None = frozenset()
    prepared: bool | None = None
    begin_with_set: Answer = Answer.WORKS
    shown: frozenset[str] = frozenset()

    @property
    def measured(self) -> bool:
        """Whether the row was observed on a real one, rather than read."""
        return self.source.startswith(_MEASURED)

    def covers(self, version: Version | None) -> bool:
        """Whether the row speaks for this version; None: a version nobody has stated."""
        if self.since is None:
            return version is None
        if version is None:
            return self.since == () and self.before is None
        return self.since <= version and (self.before is None or version < self.before)

    def tracks(self, reported: frozenset[str]) -> frozenset[str]:
        """The settings restored for each client of a server that reports `reported`."""
        extra = reported if self.if_reported is None else self.if_reported & reported
        return self.tracked | (extra - _NOT_SETTABLE)


_NOT_SETTABLE = frozenset(
    {"in_hot_standby", "integer_datetimes", "is_superuser", "server_encoding", "server_version"}
)
"""Reported by the server, changed by nobody."""

TRACKED_BY_MOST = frozenset(
    {"application_name", "client_encoding", "datestyle", "standard_conforming_strings", "timezone"}
)
"""What PgBouncer of every version, Odyssey and PgCat restore for each client."""
_SIX = TRACKED_BY_MOST | {"intervalstyle"}
SHOWN_BY_MANY = frozenset({"application_name"})
"""Restored for each client that has one, and left for those that have none: PgBouncer before
1.22."""
_PATH = frozenset({"search_path"})
"""Restored as something else: by Odyssey as one name, a list of two as a schema that is called
`"a, b"`; by PgBouncer by a SET, which fails on an empty list and spells others in its own way."""

_SHARED = (PoolMode.TRANSACTION, PoolMode.STATEMENT)
_LEAKS = _all(Answer.LEAKS)
_WORKS = _all(Answer.WORKS)
_UNKNOWN = _all(Answer.UNKNOWN)

_MEASURED = "measured"
_PGBOUNCER = "pgbouncer.org/features.html, pgbouncer.org/changelog.html"


def _pgbouncer(
    since: Version | None,
    before: Version | None,
    *,
    tracked: frozenset[str] = _SIX,
    if_reported: frozenset[str] | None = frozenset(),
    prepared: bool | None = None,
    source: str = _PGBOUNCER,
    shown: frozenset[str] = frozenset(),
) -> Row:
    """All versions leave everything but tracked settings on the server connection.

    LISTEN too: the server connection goes on listening, its notifications are for whoever
    holds it at that moment, usually nobody.
    """
    return Row(
        "pgbouncer",
        _LEAKS,
        source,
        _SHARED,
        since,
        before,
        tracked,
        if_reported,
        prepared,
        shown=shown,
    )


ROWS: tuple[Row, ...] = (
    # server_reset_query runs in session pooling only, unless server_reset_query_always is set.
    _pgbouncer(
        (),
        (1, 20),
        tracked=TRACKED_BY_MOST,
        prepared=False,
        source=f"{_MEASURED} (1.18); {_PGBOUNCER}",
        shown=SHOWN_BY_MANY,
    ),
    _pgbouncer((1, 20), (1, 21), prepared=False, shown=SHOWN_BY_MANY),
    # 1.21 tracks prepared statements on request, but not what DEALLOCATE ALL does to them.
    _pgbouncer((1, 21), (1, 22), shown=SHOWN_BY_MANY),
    _pgbouncer((1, 22), (1, 24)),
    # 1.24 made max_prepared_statements=200 the default.
    _pgbouncer((1, 24), (1, 26), prepared=True, source=f"{_MEASURED} (1.24.1); {_PGBOUNCER}"),
    # 1.26 tracks whatever the server reports: search_path on PostgreSQL 18, not before.
    # A superuser's session_authorization is reported, the role is not.
    _pgbouncer(
        (1, 26),
        None,
        tracked=_SIX | {"session_authorization"},
        if_reported=None,
        prepared=True,
        shown=_PATH,
        source=f"{_MEASURED} (1.26.1); {_PGBOUNCER}",
    ),
    _pgbouncer(
        None,
        None,
        tracked=TRACKED_BY_MOST,
        source=f"{_MEASURED} (1.18, 1.24.1, 1.26.1)",
        shown=SHOWN_BY_MANY,
    ),
    # The default resets the server connection after each transaction, yet keeps prepared
    # statements (SQL ones with them), libraries and the random seed.
    # Pools with pool_discard off leak everything.
    Row(
        "odyssey",
        _answers("lost  lost  lost  leaks lost lost lost  leaks lost  leaks  lost  leaks leaks"),
        f"{_MEASURED} (1.5.2); github.com/yandex/odyssey",
        _SHARED,
        tracked=TRACKED_BY_MOST,
        if_reported=frozenset({"default_transaction_read_only", "search_path"}),
        shown=_PATH,
    ),
    Row("pgagroal", _LEAKS, f"{_MEASURED} (1.6.0)", before=(2,), prepared=False),
    # 2.x keeps a client on its server connection, and resets nothing for the next client.
    Row("pgagroal", _LEAKS, f"{_MEASURED} (2.1.0)", since=(2,), prepared=False),
    Row("pgagroal", _LEAKS, f"{_MEASURED} (1.6.0, 2.1.0)", since=None, prepared=False),
    Row("pgpool", _WORKS, f"{_MEASURED} (4.7.3)", (PoolMode.SESSION,), prepared=True),
    # The reset goes by command tags outside transactions: it misses a SET inside one and
    # every set_config().
    Row(
        "pgcat",
        _answers("leaks leaks leaks lost  leaks leaks leaks leaks leaks leaks leaks leaks leaks"),
        "github.com/postgresml/pgcat",
        tracked=TRACKED_BY_MOST,
    ),
    # SET is tracked, but a set_config() passes through unless the query parser is on: a
    # setting is not known to be safe. LISTEN needs pub_sub_channel_size, 0 by default.
    # DISCARD is answered without being carried out.
    Row(
        "pgdog",
        _answers(
            "unknown unknown leaks leaks leaks errors leaks unknown unknown unknown lost"
            " leaks unknown"
        ),
        "docs.pgdog.dev; github.com/pgdogdev/pgdog",
        _SHARED,
        prepared=True,
        # "multi-statement queries cannot mix SET with other commands"
        begin_with_set=Answer.ERRORS,
    ),
    Row("supavisor", _LEAKS, "github.com/supabase/supavisor; supabase.com/docs"),
    # As PgCat: the reset goes by command tags, and set_config() is a SELECT.
    Row(
        "pg_doorman",
        _answers("leaks leaks leaks lost  lost leaks leaks leaks leaks leaks leaks leaks leaks"),
        "github.com/ozontech/pg_doorman",
        tracked=_SIX,
        prepared=True,
    ),
    # It pins what it recognises in the text; what a function body does, it does not see.
    # Named prepared statements pin as well: they hold.
    Row(
        "rds-proxy",
        _answers("pins pins pins pins pins pins pins pins pins unknown pins leaks unknown"),
        "docs.aws.amazon.com: Avoiding pinning an RDS Proxy",
        prepared=True,
    ),
    Row(
        "hyperdrive",
        _answers(
            "lost unknown unknown unknown unknown unknown unknown unknown unknown unknown"
            " unknown unknown unknown"
        ),
        "developers.cloudflare.com/hyperdrive/concepts/connection-pooling",
    ),
)

_NO_ROW = Row("unknown", _UNKNOWN, "nobody has measured or documented it", _SHARED)
_SESSION_ROW = Row("any", _WORKS, "session pooling", (PoolMode.SESSION,), prepared=True)

DIRECT = Pooler(
    product="direct", title="PostgreSQL", prepared=True, answers=_WORKS, confidence="certain"
)
"""A plain server, no pooler in between."""


def row_for(product: str, version: Version | None, mode: PoolMode | None) -> Row:
    """The row that speaks for a product; mode None is judged as transaction pooling.

    A product, version or mode without a row gets the row whose answers are all UNKNOWN.
    """
    if mode is PoolMode.SESSION:
        return _SESSION_ROW
    wanted = mode or PoolMode.TRANSACTION
    for row in ROWS:
        if row.product == product and wanted in row.modes and row.covers(version):
            return row
    return _NO_ROW


def pooler(
    product: str,
    *,
    version: Version | None = None,
    mode: PoolMode | None = None,
    reported: frozenset[str] = frozenset(),
    prepared: bool | None = None,
    evidence: tuple[str, ...] = (),
    confidence: str = "assumed",
) -> Pooler:
    """What is known of `product` at hand, a key of `TITLES`.

    `reported`: lower-case names of the settings that the server reports to clients.
    `prepared` None: the product's default. Raises ConfigurationError on another product.
    """
    if product not in TITLES:
        raise ConfigurationError(_unknown_product(product))
    row = row_for(product, version, mode)
    return Pooler(
        product=product,
        title=TITLES[product],
        version=version,
        mode=mode,
        prepared=row.prepared if prepared is None else prepared,
        tracked=row.tracks(reported),
        answers=row.answers,
        evidence=evidence,
        confidence=confidence,
        measured=_is_measured(product, row),
        begin_with_set=row.begin_with_set,
        shown=row.shown,
    )


def _is_measured(product: str, row: Row) -> bool:
    """Of a product that could not be named nothing is claimed that could be measured."""
    if row is _SESSION_ROW:
        return product == "unknown" or any(r.measured for r in ROWS if r.product == product)
    return product == "unknown" or row.measured


# Not compiled here: few programs come to it, and all of them import this.
_OVERRIDE = (
    r"(?P<name>[a-z][\w .-]*?) \s* (?: (?: >= | ==? | \s ) \s* v?(?P<version>\d+(?:\.\d+)*) )?"
)
_OPTION = "as the option says"


def named(text: str, pool_mode: str | None = None) -> Pooler:
    """The pooler that the user names: `pgbouncer`, `pgbouncer>=1.24`, `direct`, `unknown`.

    A version judges by what that version does, and all later ones do at least. A pool mode
    may follow: `pgbouncer>=1.24 transaction`. Without one, here or as `pool_mode`, it is
    transaction pooling, or what else the product has only.
    Raises ConfigurationError, which lists the known words.
    """
    words, pool_mode = _with_mode(text.strip(), pool_mode)
    found = re.fullmatch(_OVERRIDE, words, re.VERBOSE | re.IGNORECASE)
    product = _product(found["name"]) if found else None
    if found is None or product is None:
        raise ConfigurationError(_unknown_product(text))
    if product == "direct":
        return _direct(text, found["version"], pool_mode)
    mode = mode_named(pool_mode) if pool_mode is not None else _only_mode(product)
    return pooler(
        product,
        version=version_in(found["version"] or ""),
        mode=mode,
        evidence=(_OPTION,),
        confidence="certain",
    )


def _with_mode(text: str, pool_mode: str | None) -> tuple[str, str | None]:
    """The text without the pool mode at its end, and that mode."""
    product, _, last = text.rpartition(" ")
    if not product or last.lower() not in {mode.value for mode in PoolMode}:
        return text, pool_mode
    if pool_mode is not None and mode_named(pool_mode) is not mode_named(last):
        raise ConfigurationError(f"pooler={text!r} and pool_mode={pool_mode!r} disagree")
    return product.strip(), last


def mode_named(text: str) -> PoolMode:
    """The pool mode of that name; raises ConfigurationError, which lists the known ones."""
    try:
        return PoolMode(text.strip().lower())
    except ValueError:
        known = ", ".join(mode.value for mode in PoolMode)
        raise ConfigurationError(f"pool_mode={text!r} is not known: use {known}") from None


def version_in(text: str) -> Version | None:
    """`1.26.1` as (1, 26, 1), whatever follows the numbers; None if it starts with none."""
    found = re.match(r"\d+(?:\.\d+)*", text.strip())
    return tuple(map(int, found[0].split("."))) if found else None


def _only_mode(product: str) -> PoolMode:
    modes = {mode for row in ROWS if row.product == product for mode in row.modes}
    return modes.pop() if len(modes) == 1 else PoolMode.TRANSACTION


def _direct(text: str, version: str | None, pool_mode: str | None) -> Pooler:
    if version is not None:
        raise ConfigurationError(_unknown_product(text))
    if pool_mode is not None:
        raise ConfigurationError(f"pool_mode={pool_mode!r} means nothing with pooler={text!r}")
    return DIRECT


def _product(name: str) -> str | None:
    squashed = re.sub(r"[\W_]", "", name.lower())
    by_key = {re.sub(r"[\W_]", "", product): product for product in (*TITLES, "direct")}
    return by_key.get(squashed) or _ALIASES.get(squashed)


def _unknown_product(text: str) -> str:
    known = ", ".join(("auto", "direct", *TITLES))
    return (
        f"pooler={text!r} is not known: use {known}; "
        "a version and a pool mode may follow a product, as in 'pgbouncer>=1.24 transaction'"
    )
