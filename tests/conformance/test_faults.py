"""Every fault is found by exactly the checks that it names, and every check finds a fault."""

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from channels.testing.conformance import CHECKS, Check, Outcome, Result, run_checks
from channels.testing.faulty import FAULTS, FaultyLayer
from tests.conformance.clock import Clock

# What a layer loses is waited for this long, once for each check that finds the loss.
PATIENCE = 1


def broken_checks(fault: type[FaultyLayer]) -> dict[str, str]:
    """The checks that a faulty layer fails, with what they say."""

    def put_to(check: Check) -> list[Result]:
        return asyncio.run(_results(fault, check))

    # Each in a loop and a thread of its own, so that they lose their patience together.
    with ThreadPoolExecutor(8) as executor:
        results = itertools.chain.from_iterable(executor.map(put_to, CHECKS))
        return {r.check.name: r.detail for r in results if r.outcome is not Outcome.KEPT}


async def _results(fault: type[FaultyLayer], check: Check) -> list[Result]:
    clock = Clock()
    worlds: dict[str, Any] = {}

    def make_layer(**options: Any) -> FaultyLayer:
        # Layers of one configuration are peers: they share a world.
        key = repr(sorted(options.items()))
        if key not in worlds:
            worlds[key] = fault.make_inner(clock=clock, **options)
        return fault(shared=worlds[key])

    return await run_checks(
        make_layer, [check], peers=True, patience=PATIENCE, pass_time=clock.pass_time
    )


class Unbroken(FaultyLayer, caught_by=()):
    """The wrapper itself."""


FAULTS.remove(Unbroken)


def test_the_wrapper_itself_breaks_nothing() -> None:
    assert broken_checks(Unbroken) == {}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_exactly_the_right_checks_catch(fault: type[FaultyLayer]) -> None:
    found = broken_checks(fault)
    assert set(found) == fault.caught_by, found
    assert all(found.values())


def test_every_check_catches_a_fault() -> None:
    caught = {name for fault in FAULTS for name in fault.caught_by}
    assert caught == {check.name for check in CHECKS}
