"""The account of a load: what was sent, what each member got, and what is wrong with it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Ranges = list[list[int]]
"""Numbers as inclusive ranges, ``[[0, 9], [12, 12]]``: what processes write to each other."""


def ranges(numbers: Iterable[int]) -> Ranges:
    found: Ranges = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def numbers(found: Ranges) -> set[int]:
    return {number for first, last in found for number in range(first, last + 1)}


class Received:
    """What one member got of one sender on one way."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self.repeated = 0
        self.out_of_order = 0
        self._last = -1

    def note(self, number: int) -> None:
        if number in self.numbers:
            self.repeated += 1
        elif number < self._last:
            self.out_of_order += 1
        self.numbers.add(number)
        self._last = max(self._last, number)

    def report(self) -> list[object]:
        return [ranges(self.numbers), self.repeated, self.out_of_order]


@dataclass
class Sent:
    """What one sender sent on one way."""

    returned: set[int]
    """Numbers whose send returned."""
    raised: set[int]
    """Those that may have arrived or not."""


@dataclass
class Account:
    """All that there is to say after a load."""

    returned: int = 0
    raised: int = 0
    delivered: int = 0
    lost: dict[str, Ranges] = field(default_factory=dict)
    """By member and sender."""
    repeated: int = 0
    out_of_order: int = 0
    invented: int = 0
    """Messages that nobody sent."""
    gaps: dict[str, list[object]] = field(default_factory=dict)
    """By member: the notices of gaps that it got."""

    @property
    def lost_by(self) -> set[str]:
        """Members that lost something."""
        return {key.partition(" ")[0] for key in self.lost}

    def assert_perfect(self) -> None:
        """Nothing lost, repeated or out of order, and no gap was reported."""
        self.assert_gaps_reported()
        assert not self.lost, self
        assert not self.gaps, self

    def assert_gaps_reported(self) -> None:
        """Nothing repeated or out of order; what was lost, its member was told of."""
        assert self.returned > 0, "the load has sent nothing"
        assert self.repeated == self.out_of_order == self.invented == 0, self
        assert self.lost_by <= self.gaps.keys(), self


def merged(reports: Iterable[Mapping[str, list[object]]]) -> dict[str, list[object]]:
    """What several receivers of one channel got, as if one had got it: what came to two of them is
    repeated. In what order it came, nobody can say then."""
    found: dict[str, Received] = {}
    repeated: dict[str, int] = {}
    for report in reports:
        for key, (some, again, _) in report.items():
            received = found.setdefault(key, Received())
            for number in sorted(numbers(some)):  # type: ignore[arg-type]
                received.note(number)
            repeated[key] = repeated.get(key, 0) + int(again)  # type: ignore[call-overload]
    return {
        key: [ranges(one.numbers), one.repeated + repeated[key], 0] for key, one in found.items()
    }


def account(
    sent: Mapping[str, Mapping[str, Sent]],
    got: Mapping[str, Mapping[str, list[object]]],
    gaps: Mapping[str, list[object]],
    ways: Mapping[str, list[str]],
) -> Account:
    """Compare.

    Args:
        sent: by way and sender.
        got: by member and ``"way sender"``: what :meth:`Received.report` says.
        gaps: by member.
        ways: by member the ways that it has to hear everything of.
    """
    result = Account(gaps={member: notices for member, notices in gaps.items() if notices})
    for senders in sent.values():
        for one in senders.values():
            result.returned += len(one.returned)
            result.raised += len(one.raised)
    for member, reports in got.items():
        for way in ways[member]:
            for sender, one in sent.get(way, {}).items():
                found, repeated, out_of_order = reports.get(f"{way} {sender}", [[], 0, 0])
                arrived = numbers(found)  # type: ignore[arg-type]
                result.delivered += len(arrived)
                result.repeated += int(repeated)  # type: ignore[call-overload]
                result.out_of_order += int(out_of_order)  # type: ignore[call-overload]
                result.invented += len(arrived - one.returned - one.raised)
                if lost := one.returned - arrived:
                    result.lost[f"{member} {way} {sender}"] = ranges(lost)
    return result
