"""What `require()` wants of an endpoint, and what it says when that is not there."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import ConfigurationError, WrongEndpointError
from .poolers.answers import Pooler, PoolMode
from .poolers.endpoints import Endpoint, match
from .poolers.products import TITLES, mode_named, named


@dataclass(frozen=True, slots=True)
class Requirement:
    """What must stand at an endpoint; None: whatever there is.

    `direct` True: no pooler; False: some pooler. `product` with `version`: that one at least.
    """

    direct: bool | None = None
    mode: PoolMode | None = None
    product: str | None = None
    version: tuple[int, ...] | None = None

    def __str__(self) -> str:
        if self.direct:
            return "a direct connection"
        title = TITLES[self.product] if self.product else "a pooler"
        version = f" {_dotted(self.version)} or later" if self.version else ""
        mode = f" in {self.mode.value} mode" if self.mode else ""
        return f"{title}{version}{mode}"

    def unmet_by(self, pooler: Pooler) -> str | None:
        """Why the pooler does not meet it; None if it does. Not knowing does not meet it."""
        if self.direct:
            return None if pooler.product == "direct" else _not_direct(pooler)
        if pooler.product == "direct":
            return "there is no pooler in between"
        if _is_in_doubt(pooler):
            return "it cannot be told what stands in between, if anything does"
        return self._wrong_product(pooler) or self._wrong_mode(pooler)

    def _wrong_product(self, pooler: Pooler) -> str | None:
        if self.product not in (None, pooler.product):
            return (
                "the proxy in between could not be named"
                if _is_unnamed(pooler)
                else (f"it is {pooler.title}")
            )
        if self.version is None:
            return None
        if pooler.version is None:
            return f"{pooler.title} does not tell its version (PgBouncer does from 1.26 on)"
        return (
            None if pooler.version >= self.version else f"it is version {_dotted(pooler.version)}"
        )

    def _wrong_mode(self, pooler: Pooler) -> str | None:
        """A mode that cannot be told counts as transaction pooling."""
        if self.mode in (None, pooler.mode or PoolMode.TRANSACTION):
            return None
        if pooler.mode is None:
            return "its pool mode cannot be told, and counts as transaction pooling"
        return f"it is in {pooler.mode.value} mode"


def requirement(*, direct: bool | None, pool_mode: str | None, product: str | None) -> Requirement:
    """From the options of `require()`; raises ConfigurationError on wrong ones."""
    if direct is None and pool_mode is None and product is None:
        raise ConfigurationError("require(): say what: direct=…, pool_mode=… or product=…")
    wanted = _wanted_product(product)
    if wanted.direct and direct is False:
        raise ConfigurationError("require(): product='direct' contradicts direct=False")
    direct = direct or wanted.direct
    if direct and (pool_mode is not None or wanted.product):
        raise ConfigurationError(
            "require(): a direct connection has no pooler: drop pool_mode= and product="
        )
    mode = mode_named(pool_mode) if pool_mode is not None else None
    return Requirement(direct, mode, wanted.product, wanted.version)


def _wanted_product(product: str | None) -> Requirement:
    if product is None:
        return Requirement()
    pooler = named(product)
    if pooler.product == "direct":
        return Requirement(direct=True)
    return Requirement(product=pooler.product, version=pooler.version)


def refuse(
    pooler: Pooler, endpoint: Endpoint, wanted: Requirement, reason: str
) -> WrongEndpointError:
    """The error for an endpoint that is not the one required."""
    evidence = "; ".join(pooler.evidence)
    because = f"{reason} ({evidence})" if evidence else reason
    fix = way_to(endpoint, wanted)
    return WrongEndpointError(
        f"required {wanted}, found {pooler}\n\n"
        f"  {shown(endpoint)}\n\n"
        f"  why:   {because}\n"
        f"  fix:   {fix}",
        pooler=pooler,
        fix=fix,
    )


def way_to(endpoint: Endpoint, wanted: Requirement) -> str:
    """What to type to get to the right place, as far as the address tells."""
    provider = match(endpoint)
    if wanted.direct or wanted.mode is PoolMode.SESSION:
        if provider and provider.way_around:
            return f"{provider.way_around} ({provider.provider})"
        return "put the address of the PostgreSQL server itself instead of the pooler's"
    return f"put the address of {wanted} there"


def shown(endpoint: Endpoint) -> str:
    """The endpoint as a URL without a password."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    user = f"{endpoint.user}@" if endpoint.user else ""
    if host.startswith(("/", "@")):
        return f"postgresql://{user}/{endpoint.dbname}?host={host}&port={endpoint.port}"
    return f"postgresql://{user}{host}:{endpoint.port}/{endpoint.dbname}"


def _not_direct(pooler: Pooler) -> str:
    if _is_in_doubt(pooler):
        return "it cannot be told whether a pooler stands in between"
    return "a proxy stands in between" if _is_unnamed(pooler) else f"it is {pooler.title}"


def _is_unnamed(pooler: Pooler) -> bool:
    return pooler.product == "unknown"


def _is_in_doubt(pooler: Pooler) -> bool:
    """Whether not even a proxy is proven: nothing was asked, or nothing came back."""
    return _is_unnamed(pooler) and pooler.confidence == "assumed"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
