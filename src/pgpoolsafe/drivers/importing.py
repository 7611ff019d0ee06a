"""Knowing when the program imports a driver."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class Imports(MetaPathFinder):
    """Calls `tell` with a package's name when it has been imported, before anybody can use it."""

    def __init__(self, names: Sequence[str], tell: Callable[[str], None]) -> None:
        self._names = frozenset(names)
        self._tell = tell

    def start(self) -> None:
        """Be asked first from now on."""
        sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Be asked no more; harmless when done already."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What Python would find itself, whose loader tells at its end; None for other names."""
        spec = PathFinder.find_spec(name, path, target) if name in self._names else None
        loader = spec.loader if spec is not None else None
        if spec is None or loader is None:
            return None
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            self._tell(name)

        # Of this one module: the loader stays what inspect and importlib.resources expect.
        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
