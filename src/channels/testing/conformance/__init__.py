"""The promises of a channel layer as checks, for the authors of layers.

Each check is one guarantee, with a name and a sentence. Where a layer does not offer what a check
is about and says so (in ``extensions``), the check answers *lacking*; it fails only where a promise
is broken.

From a shell::

    python -m channels.testing.conformance channels.layers.InMemoryChannelLayer
    python -m channels.testing.conformance my.Layer --config '{"hosts": ["redis://…"]}' --peers

In a test class, for pytest or unittest::

    from channels.testing.conformance import LayerConformance

    class TestMyLayer(LayerConformance):
        peers = True

        def make_layer(self, **options):
            return MyLayer(hosts=["redis://127.0.0.1:6379/0"], **options)

From code::

    results = await run_checks(MyLayer, peers=True)

The checks flush the layer: use a broker or a prefix that nothing else uses.
"""

# Importing a module of checks registers them.
# pyright: reportUnusedImport=false
from channels.testing.conformance import (  # noqa: F401
    channels,
    groups,
    lifetime,
    limits,
    messages,
    names,
    peers,
)
from channels.testing.conformance.bench import (
    Bench,
    BrokenPromiseError,
    Lacking,
    LayerFactory,
)
from channels.testing.conformance.check import CHECKS, Check, checks_named
from channels.testing.conformance.run import (
    LayerConformance,
    Outcome,
    Result,
    add_methods,
    run_checks,
)

__all__ = [
    "CHECKS",
    "Bench",
    "BrokenPromiseError",
    "Check",
    "Lacking",
    "LayerConformance",
    "LayerFactory",
    "Outcome",
    "Result",
    "checks_named",
    "run_checks",
]

add_methods()
