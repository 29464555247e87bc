"""Running the checks: all of them with a report, or one test method for each."""

import asyncio
import enum
import unittest
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from channels.testing.conformance.bench import Lacking, Layer, LayerFactory
from channels.testing.conformance.check import CHECKS, Check


class Outcome(enum.Enum):
    """What a check found."""

    KEPT = "kept"
    BROKEN = "broken"
    LACKING = "lacking"


@dataclass(frozen=True)
class Result:
    """One check, put to one layer."""

    check: Check
    outcome: Outcome
    detail: str = ""
    """What came instead, or what the layer lacks."""
    error: Exception | None = None


async def run_checks(
    make_layer: LayerFactory, checks: Iterable[Check] = CHECKS, **options: Any
) -> list[Result]:
    """Put checks to a layer, one after another, and collect what they found.

    Args:
        make_layer: as for :meth:`Check.run`, like all ``options``.
        checks: which ones; all by default.
    """
    return [await _run(check, make_layer, options) for check in checks]


async def _run(check: Check, make_layer: LayerFactory, options: dict[str, Any]) -> Result:
    try:
        await check.run(make_layer, **options)
    except Lacking as lacking:
        return Result(check, Outcome.LACKING, str(lacking))
    except AssertionError as error:
        return Result(check, Outcome.BROKEN, str(error) or repr(error), error)
    except Exception as error:
        return Result(check, Outcome.BROKEN, f"it raised {error!r}", error)
    return Result(check, Outcome.KEPT)


class LayerConformance:
    """Mixin for a test class: one test method for each check.

    ::

        class TestMyLayer(LayerConformance):          # pytest
            def make_layer(self, **options):
                return MyLayer(hosts=[...], **options)

        class MyLayerTests(LayerConformance, unittest.TestCase):
            ...

    Each test runs in an event loop of its own. What the layer lacks is a skipped test that says so.
    """

    peers: ClassVar[bool] = False
    """Whether two layers that ``make_layer`` returns can talk to each other."""

    patience: ClassVar[float] = 5
    """Seconds that a message may take to arrive."""

    expiry: ClassVar[float] = 1
    """Seconds, for the checks of the expiry."""

    def make_layer(self, **options: Any) -> Layer:
        """A new layer with these options; to be written."""
        raise NotImplementedError(
            f"{type(self).__name__} needs make_layer(self, **options), which returns the layer to "
            "be tested with options such as expiry=1 or capacity=3"
        )


def _method(check: Check) -> Callable[[LayerConformance], None]:
    def test(self: LayerConformance) -> None:
        try:
            asyncio.run(
                check.run(
                    self.make_layer,
                    peers=self.peers,
                    patience=self.patience,
                    expiry=self.expiry,
                )
            )
        except Lacking as lacking:
            raise unittest.SkipTest(str(lacking)) from lacking

    test.__name__ = f"test_{check.name}"
    test.__qualname__ = f"{LayerConformance.__name__}.{test.__name__}"
    test.__doc__ = check.sentence
    return test


def add_methods() -> None:
    """Give :class:`LayerConformance` its methods, once every check is registered."""
    for check in CHECKS:
        setattr(LayerConformance, f"test_{check.name}", _method(check))
