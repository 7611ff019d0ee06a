"""Use the installed distribution as a program without any driver would.

Every module that stands below the drivers is imported, every public name looked up, and the
files the wheel must hold are counted. Run by `wheel-check.sh`, outside the checkout.
"""

import importlib
import importlib.metadata
import importlib.resources
import pkgutil

import pgpoolsafe

WITHOUT_DRIVER = ("sql", "poolers", "session", "rules")


def below_the_drivers() -> list[str]:
    """The dotted names of all modules that no driver is needed for."""
    names = []
    for part in WITHOUT_DRIVER:
        package = importlib.import_module(f"pgpoolsafe.{part}")
        found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        names += [package.__name__, *(module.name for module in found)]
    return names


def shipped_files() -> set[str]:
    files = importlib.metadata.files("pgpoolsafe") or []
    return {str(file) for file in files}


def main() -> None:
    modules = [importlib.import_module(name) for name in below_the_drivers()]
    missing = [name for name in pgpoolsafe.__all__ if not hasattr(pgpoolsafe, name)]
    assert not missing, f"pgpoolsafe.__all__ names what is not there: {missing}"
    assert importlib.resources.files(pgpoolsafe).joinpath("py.typed").is_file(), "no py.typed"
    strays = [f for f in shipped_files() if f.startswith(("tests/", "examples/", "integrations/"))]
    assert not strays, f"the wheel holds what it should not: {strays}"
    version = importlib.metadata.version("pgpoolsafe")
    print(
        f"[wheel-check] pgpoolsafe {version}: {len(pgpoolsafe.__all__)} public names,"
        f" {len(modules)} modules without a driver"
    )


main()
