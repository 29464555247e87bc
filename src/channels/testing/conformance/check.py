"""One guarantee of a channel layer, as a coroutine that fails where the guarantee is broken."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final

from channels.testing.conformance.bench import Bench, Lacking, LayerFactory, PassTime, real_time

PEERS: Final = "peers"
"""Needed by checks of what passes between processes: two layers made from one configuration."""

INBOX: Final = "inbox"
"""Needed by checks of ``attach``, the push side that a layer may have."""


@dataclass(frozen=True)
class Check:
    """A guarantee with a name, a sentence and the proof."""

    name: str
    sentence: str
    needs: frozenset[str]
    """The extensions without which the guarantee has no meaning, and :data:`PEERS`,
    :data:`INBOX`."""
    body: Callable[[Bench], Awaitable[None]]

    async def run(
        self,
        make_layer: LayerFactory,
        *,
        peers: bool = False,
        patience: float = 5,
        expiry: float = 1,
        pass_time: PassTime = real_time,
    ) -> None:
        """Make a layer and put this check to it, in the running event loop.

        Args:
            make_layer: called with options of a layer (``expiry``, ``capacity``,
                ``channel_capacity``) as keywords, for each layer that the check needs.
            peers: whether two layers that ``make_layer`` returns can talk to each other.
            patience: seconds that a message may take to arrive. Only a broken layer uses them up.
            expiry: seconds; what checks of the expiry ask ``make_layer`` for. Some layers want
                whole ones.
            pass_time: lets seconds pass, for a layer whose clock is not the real one.

        Raises:
            AssertionError: the layer breaks the guarantee; the text says what came.
            Lacking: the layer does not offer what the guarantee is about, and says so.
            Exception: whatever the layer raised; it broke the guarantee too.
        """
        bench = Bench(make_layer, patience=patience, expiry=expiry, pass_time=pass_time)
        try:
            self._require(bench.layer, peers=peers)
            await self.body(bench)
        finally:
            await bench.close()

    def _require(self, layer: object, *, peers: bool) -> None:
        offered: set[str] = set(getattr(layer, "extensions", ()))
        if peers:
            offered.add(PEERS)
        if hasattr(layer, "attach"):
            offered.add(INBOX)
        missing = sorted(self.needs - offered)
        if missing == [PEERS]:
            raise Lacking("two layers of one configuration are not said to talk to each other")
        if missing == [INBOX]:
            raise Lacking("the layer has no attach(): messages are waited for with receive()")
        if missing:
            raise Lacking(f"its extensions do not name {', '.join(map(repr, missing))}")

    def __str__(self) -> str:
        return self.name


CHECKS: list[Check] = []
"""Every check, in the order of the table in the documentation."""


def check(*needs: str) -> Callable[[Callable[[Bench], Awaitable[None]]], Check]:
    """Make a check of a coroutine function: its name and its docstring are those of the check."""

    def register(body: Callable[[Bench], Awaitable[None]]) -> Check:
        sentence = " ".join((body.__doc__ or "").split())
        made = Check(body.__name__, sentence, frozenset(needs), body)
        CHECKS.append(made)
        return made

    return register


def checks_named(names: Collection[str]) -> list[Check]:
    """The checks of these names, in order; all of them for no name.

    Raises:
        ValueError: there is no check of such a name.
    """
    known = {each.name for each in CHECKS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"There is no check named {', '.join(map(repr, unknown))}. "
            f"There are: {', '.join(each.name for each in CHECKS)}."
        )
    return [each for each in CHECKS if not names or each.name in names]
