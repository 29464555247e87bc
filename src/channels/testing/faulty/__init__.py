"""Channel layers that are broken on purpose, each in one way.

They prove that every check of :mod:`channels.testing.conformance` can fail, and they serve the
tests of an application that wants to know what it does when a layer misbehaves::

    channel_layers.set("default", LosesOnCancel())

Each is an in-memory layer behind a wrapper, and says in ``caught_by`` which checks find it.
"""

from channels.testing.faulty.base import FAULTS, FaultyLayer
from channels.testing.faulty.channels import (
    DeliversAgain,
    ForgetsGeneralChannels,
    LeavesItsKey,
    LetsMessagesOvertake,
    LetsReceiversSleep,
    LosesOnCancel,
    MixesUpChannels,
    PutsBackAtTheEnd,
    RepeatsNames,
    SharesItsBuffer,
    TellsEveryReceiver,
    WakesItsOwnLoopOnly,
)
from channels.testing.faulty.groups import (
    AcceptsAnyGroupMessage,
    CountsAllGroupsTogether,
    CountsJoins,
    CutsGroupNames,
    ForgetsGeneralMembers,
    IgnoresExclude,
    JoinsLater,
    KeepsMembers,
    KnowsItsMembers,
    LetsDirectMessagesOvertake,
    LetsGroupMessagesOvertake,
    MissesTheFifthMember,
    RefusesGeneralMembers,
    SharesMessages,
    WantsMembers,
)
from channels.testing.faulty.lifetime import (
    ClosesOnce,
    DoesNotWake,
    FlushKeepsMembers,
    FlushKeepsMessages,
    InboxStays,
)
from channels.testing.faulty.limits import (
    CountsExpiredMessages,
    CountsTheWholeProcess,
    ExpiresTooEarly,
    HoldsOneMore,
    IgnoresChannelCapacity,
    NeverExpires,
    TellsTheSenderOfFullMembers,
)
from channels.testing.faulty.messages import (
    AcceptsAnyMessage,
    CutsLongText,
    IgnoresTheReservedKey,
    KeepsTheSendersDict,
    MakesBytesText,
    MakesKeysText,
)
from channels.testing.faulty.names import (
    AcceptsAnyChannelName,
    AcceptsAnyGroupName,
    AcceptsAnyMember,
    WaitsOnAnyName,
)
from channels.testing.faulty.peers import (
    AddsItsOwnChannels,
    CountsItsNames,
    GroupsWithinTheProcess,
    SendsWithinTheProcess,
    TellsEveryProcess,
)

__all__ = [
    "FAULTS",
    "AcceptsAnyChannelName",
    "AcceptsAnyGroupMessage",
    "AcceptsAnyGroupName",
    "AcceptsAnyMember",
    "AcceptsAnyMessage",
    "AddsItsOwnChannels",
    "ClosesOnce",
    "CountsAllGroupsTogether",
    "CountsExpiredMessages",
    "CountsItsNames",
    "CountsJoins",
    "CountsTheWholeProcess",
    "CutsGroupNames",
    "CutsLongText",
    "DeliversAgain",
    "DoesNotWake",
    "ExpiresTooEarly",
    "FaultyLayer",
    "FlushKeepsMembers",
    "FlushKeepsMessages",
    "ForgetsGeneralChannels",
    "ForgetsGeneralMembers",
    "GroupsWithinTheProcess",
    "HoldsOneMore",
    "IgnoresChannelCapacity",
    "IgnoresExclude",
    "IgnoresTheReservedKey",
    "InboxStays",
    "JoinsLater",
    "KeepsMembers",
    "KeepsTheSendersDict",
    "KnowsItsMembers",
    "LeavesItsKey",
    "LetsDirectMessagesOvertake",
    "LetsGroupMessagesOvertake",
    "LetsMessagesOvertake",
    "LetsReceiversSleep",
    "LosesOnCancel",
    "MakesBytesText",
    "MakesKeysText",
    "MissesTheFifthMember",
    "MixesUpChannels",
    "NeverExpires",
    "PutsBackAtTheEnd",
    "RefusesGeneralMembers",
    "RepeatsNames",
    "SendsWithinTheProcess",
    "SharesItsBuffer",
    "SharesMessages",
    "TellsEveryProcess",
    "TellsEveryReceiver",
    "TellsTheSenderOfFullMembers",
    "WaitsOnAnyName",
    "WakesItsOwnLoopOnly",
    "WantsMembers",
]
