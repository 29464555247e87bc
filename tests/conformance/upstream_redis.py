"""What is known of the layers of Raceway and of channels_redis 4.3, and the page that says it.

``python -m tests.conformance.upstream_redis`` writes the table of the page anew.
"""

from pathlib import Path

from channels.testing.conformance import CHECKS
from channels.testing.conformance.check import PEERS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "conformance.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

IN_MEMORY = "channels.layers.InMemoryChannelLayer"
REDIS = "channels.layers.redis.RedisChannelLayer"
CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"

WITHOUT_INBOX = {"inbox", "inbox_tells_of_each", "inbox_leaves_its_groups"}
WITHOUT_EXTENSIONS = {"exclude", "positions", "close", *WITHOUT_INBOX}

LACKING: dict[str, set[str]] = {
    IN_MEMORY: {check.name for check in CHECKS if PEERS in check.needs},
    # Nobody owns a general channel, so nobody could take a group's messages for it.
    REDIS: {"general_member"},
    CORE: WITHOUT_EXTENSIONS,
    PUBSUB: WITHOUT_EXTENSIONS | {"general_member", "group_add_from_a_peer"},
}

BROKEN: dict[str, set[str]] = {
    IN_MEMORY: set(),
    REDIS: set(),
    CORE: {
        "own_copy_for_each_member",
        "group_only_dicts",
        "capacity_per_channel",
        "group_send_to_a_full_member",
        "special_values",
    },
    PUBSUB: {
        "general_channel",
        "cancelled_receive",
        "order_after_cancel",
        "group_only_dicts",
        "flush",
        "flush_ends_memberships",
        "capacity",
        "capacity_by_name",
        "expiry",
        "special_values",
        "only_dicts",
        "reserved_key",
        "channel_names",
        "receive_names",
        "group_names",
        "member_names",
        "one_receiver_among_peers",
    },
}

SOMETIMES_BROKEN: dict[str, set[str]] = {
    IN_MEMORY: set(),
    REDIS: set(),
    # The reply of the server and the cancellation race.
    CORE: {"cancelled_receive"},
    PUBSUB: set(),
}


def word(layer: str, check: str) -> str:
    """The outcome of a check in the table."""
    if check in BROKEN[layer]:
        return "**broken**"
    if check in SOMETIMES_BROKEN[layer]:
        return "**broken** at times"
    return "lacking" if check in LACKING[layer] else "kept"


def table() -> str:
    """Every check and what each layer makes of it, as a Markdown table."""
    lines = [
        "| check | promise | in memory | Redis | `core` | `pubsub` |",
        "|---|---|---|---|---|---|",
    ]
    for check in CHECKS:
        sentence = check.sentence.replace("``", "`").replace("|", r"\|")
        words = " | ".join(word(layer, check.name) for layer in BROKEN)
        lines.append(f"| `{check.name}` | {sentence} | {words} |")
    return "\n".join(lines)


def page_with_table() -> str:
    """The page with the table as it should be."""
    head, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(), encoding="utf-8")
