"""Each test of the contract, once for each driver."""

from __future__ import annotations

import pytest

from tests.drivers.contract.drivers import DRIVERS, Driver


@pytest.fixture(params=DRIVERS, ids=[driver.name for driver in DRIVERS])
def driver(request: pytest.FixtureRequest) -> Driver:
    """A driver under contract."""
    found: Driver = request.param
    return found
