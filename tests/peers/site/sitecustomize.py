"""First thing in every interpreter of a run, those that a test starts among them.

Guards the process as soon as it has imported the driver. Not before: a suite may have its own
ideas of when that is to happen (gevent's patches come first, for example).
"""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import logging
import os
import sys
import warnings
from pathlib import Path

OPTIONS = "PGPOOLSAFE_PEERS_OPTIONS"
"""The options of install(), as JSON; without it nothing is installed."""
DRIVER = "PGPOOLSAFE_PEERS_DRIVER"
"""The module of the driver."""
REGISTER = "PGPOOLSAFE_PEERS_REGISTER"
"""A file with a line for each interpreter that was guarded."""


class AfterImport(importlib.abc.MetaPathFinder):
    """Guards the process when a module has been imported."""

    def __init__(self, module):
        self.module = module

    def find_spec(self, fullname, path=None, target=None):  # noqa: ARG002  # as Python calls it
        """The spec that the others find, with a loader that guards afterwards."""
        if fullname != self.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = Guarding(spec.loader)
        return spec


class Guarding(importlib.abc.Loader):
    """A loader that installs the guard after another has done its work."""

    def __init__(self, loader):
        self.loader = loader

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def create_module(self, spec):
        """As the other does."""
        return self.loader.create_module(spec)

    def exec_module(self, module):
        """As the other does; then guard the process."""
        module.__loader__ = module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        guard()


def guard():
    """Guard every connection from now on, and note it."""
    import pgpoolsafe

    pgpoolsafe.install(**json.loads(os.environ[OPTIONS]))
    # What it says is not what is compared: some suites make an error of every warning, which
    # would be a refusal, and some count the lines of the log.
    warnings.filterwarnings("ignore", category=pgpoolsafe.SessionStateWarning)
    logging.getLogger("pgpoolsafe").disabled = True
    with Path(os.environ[REGISTER]).open("a") as register:
        register.write(f"{os.getpid()} {sys.argv[0]}\n")


if OPTIONS in os.environ:
    sys.meta_path.insert(0, AfterImport(os.environ[DRIVER]))
