"""Where a server's programs are and run: on this machine, or in a Debian release's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .account import Account, make_folder, server_account, switch_to
from .programs import program_version


class Place:
    """This machine: programs by their own paths, as an unprivileged account if by root."""

    @property
    def account(self) -> Account | None:
        """The account servers run as; None: the caller's."""
        return server_account()

    def new_folder(self, name: str) -> Path:
        """A new private folder that belongs to the account, as seen from here."""
        return make_folder(name)

    def inside(self, path: Path) -> Path:
        """The path as the server sees it."""
        return path

    def command(self, *words: str | Path) -> list[str | Path]:
        """The command that runs a program of the place."""
        return list(words)

    def switching(self) -> dict[str, Any]:
        """Keyword arguments with which `subprocess` runs `command`."""
        return switch_to(self.account)

    def version(self, program: Path) -> tuple[int, ...]:
        """The version that `program --version` prints, as numbers."""
        return program_version(*self.command(program))


HERE = Place()
