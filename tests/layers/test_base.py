"""The contract: names, capacities, and what a layer that implements nothing answers."""

import re
from typing import Any

import pytest

from channels.layers import BaseChannelLayer, InMemoryChannelLayer
from channels.layers.base import MessageTypeError, NamesError, ReservedKeyError, name_fault


@pytest.fixture
def layer() -> BaseChannelLayer:
    return BaseChannelLayer()


GOOD = ["a", "A.b-c_9", "a" * 99, "-", "."]
GOOD_CHANNELS = [*GOOD, "a!", "specific.x!Ab-9_.", "a!" + "b" * 97]
BAD = ["", "a" * 100, "a b", "a:b", "a/b", "ü", "a\n", "\n", "a\x00", "١", "a@b.c", "ａ"]
BAD_CHANNELS = [*BAD, "!", "!a", "a!b!c", "a!!", "a!ü", "a!b\n", "a!" + "b" * 98]
NO_STRINGS = [None, 7, b"a", ["a"], ("a",), True]


class TestNames:
    @pytest.mark.parametrize("name", GOOD_CHANNELS)
    def test_good_channel_names(self, layer: BaseChannelLayer, name: str) -> None:
        assert layer.require_valid_channel_name(name) is True

    @pytest.mark.parametrize("name", GOOD)
    def test_good_group_names(self, layer: BaseChannelLayer, name: str) -> None:
        assert layer.require_valid_group_name(name) is True

    @pytest.mark.parametrize("name", [*BAD_CHANNELS, *NO_STRINGS], ids=repr)
    def test_bad_channel_names(self, layer: BaseChannelLayer, name: Any) -> None:
        with pytest.raises(TypeError, match=r"Channel name must be a valid unicode string") as got:
            layer.require_valid_channel_name(name)
        assert len(got.value.__notes__) == 1

    @pytest.mark.parametrize("name", [*BAD, *NO_STRINGS, "a!", "a!b", "!"], ids=repr)
    def test_bad_group_names(self, layer: BaseChannelLayer, name: Any) -> None:
        with pytest.raises(TypeError, match=r"Group name must be a valid unicode string") as got:
            layer.require_valid_group_name(name)
        assert len(got.value.__notes__) == 1

    @pytest.mark.parametrize(
        ("name", "fault"),
        [
            (7, "It is 7, which is not a string."),
            (b"a", "It is b'a', which is not a string."),
            ("", "It is empty."),
            ("a" * 100, "It has 100 characters"),
            ("room:1", "Character 5 of 'room:1' is ':'"),
            ("é", "Character 1 of 'é' is 'é'"),
            ("room\n", r"Character 5 of 'room\n' is '\n'"),
            ("a!b", "Character 2 of 'a!b' is '!'"),
        ],
    )
    def test_the_fault_is_named(self, layer: BaseChannelLayer, name: Any, fault: str) -> None:
        with pytest.raises(TypeError) as caught:
            layer.require_valid_group_name(name)
        assert caught.value.__notes__[0].startswith(fault)

    @pytest.mark.parametrize("name", ["!", "!a", "a!b!c"])
    def test_a_misplaced_mark_is_named(self, layer: BaseChannelLayer, name: str) -> None:
        with pytest.raises(TypeError) as caught:
            layer.require_valid_channel_name(name)
        assert "one '!' at most, and a name before it" in caught.value.__notes__[0]

    def test_faults_are_short_whatever_came(self) -> None:
        for name in ("x" * 10_000, b"x" * 10_000, ["x"] * 10_000):
            assert len(name_fault(name, 100)) < 400

    def test_the_cure_is_named(self) -> None:
        assert "Hash" in name_fault("a" * 100, 100)
        assert "encode" in name_fault("mail@example.org", 100)

    def test_receive_wants_the_process_part(self, layer: BaseChannelLayer) -> None:
        assert layer.require_valid_channel_name("a!", receive=True)
        assert layer.require_valid_channel_name("a", receive=True)
        with pytest.raises(TypeError, match="must end at the !"):
            layer.require_valid_channel_name("a!b", receive=True)

    def test_a_subclass_may_allow_longer_names(self) -> None:
        class Longer(BaseChannelLayer):
            MAX_NAME_LENGTH = 200

        assert Longer().require_valid_group_name("a" * 199)
        with pytest.raises(TypeError):
            Longer().require_valid_group_name("a" * 200)

    def test_deprecated_names(self, layer: BaseChannelLayer) -> None:
        with pytest.deprecated_call(match="require_valid_channel_name"):
            assert layer.valid_channel_name("a!b")
        with pytest.deprecated_call(match="require_valid_group_name"):
            assert layer.valid_group_name("a")
        with pytest.deprecated_call(), pytest.raises(TypeError):
            layer.valid_group_name("a!b")

    @pytest.mark.parametrize("names", [[], (), "a", ("a",), {"a"}, None], ids=repr)
    def test_a_list_of_names_is_wanted(self, layer: BaseChannelLayer, names: Any) -> None:
        with pytest.raises(NamesError, match="names must be a non-empty list") as caught:
            layer.valid_channel_names(names)
        assert isinstance(caught.value, (AssertionError, ValueError))

    def test_each_name_of_the_list_counts(self, layer: BaseChannelLayer) -> None:
        assert layer.valid_channel_names(["a", "b!c"])
        with pytest.raises(TypeError):
            layer.valid_channel_names(["a", "b c"])

    @pytest.mark.parametrize(
        ("name", "part"), [("a!b", "a!"), ("a!", "a!"), ("a", "a"), ("a!b!c", "a!")]
    )
    def test_non_local_name(self, layer: BaseChannelLayer, name: str, part: str) -> None:
        assert layer.non_local_name(name) == part


class TestMessages:
    @pytest.mark.parametrize("message", [None, "x", b"x", 5, [], ("type", "x")], ids=repr)
    def test_what_is_no_dict(self, layer: BaseChannelLayer, message: Any) -> None:
        with pytest.raises(MessageTypeError, match="message is not a dict") as caught:
            layer.require_valid_message(message)
        assert isinstance(caught.value, AssertionError)
        assert isinstance(caught.value, TypeError)
        assert type(message).__name__ in caught.value.__notes__[0]

    def test_the_note_is_short(self, layer: BaseChannelLayer) -> None:
        with pytest.raises(MessageTypeError) as caught:
            layer.require_valid_message("x" * 10_000)
        assert len(caught.value.__notes__[0]) < 300

    def test_a_reserved_key(self, layer: BaseChannelLayer) -> None:
        with pytest.raises(ReservedKeyError, match="__asgi_channel__") as caught:
            layer.require_valid_message({"type": "x", "__asgi_channel__": None})
        assert isinstance(caught.value, AssertionError)
        assert isinstance(caught.value, ValueError)


class TestCapacities:
    def test_globs_and_patterns_the_first_match_decides(self, layer: BaseChannelLayer) -> None:
        layer.channel_capacity = layer.compile_capacities(
            {"http.request": 1, "chat.*": 2, re.compile("chat"): 3, "*!x": 4}
        )
        names = ["http.request", "http.request2", "chat.a", "chats", "a.chat", "b!x", "b!xx"]
        assert [layer.get_capacity(name) for name in names] == [1, 100, 2, 3, 100, 4, 100]

    @pytest.mark.parametrize("kind", [BaseChannelLayer, InMemoryChannelLayer])
    def test_a_dict_works_on_every_layer(self, kind: type[BaseChannelLayer]) -> None:
        layer = kind(capacity=7, channel_capacity={"small.*": 1})
        assert (layer.get_capacity("small.a"), layer.get_capacity("other")) == (1, 7)

    @pytest.mark.parametrize("kind", [BaseChannelLayer, InMemoryChannelLayer])
    def test_pairs_work_too(self, kind: type[BaseChannelLayer]) -> None:
        """Settings that worked around a layer that compiled nothing."""
        pairs: Any = [(re.compile("small"), 1), (re.compile(r".*\.large"), 9)]
        layer = kind(channel_capacity=pairs)
        assert (layer.get_capacity("small.a"), layer.get_capacity("x.large")) == (1, 9)

    def test_compiling_twice_is_compiling_once(self, layer: BaseChannelLayer) -> None:
        once = layer.compile_capacities({"a.*": 1})
        assert layer.compile_capacities(once) == once

    def test_anything_that_matches_is_a_pattern(self, layer: BaseChannelLayer) -> None:
        class Even:
            def match(self, name: str) -> bool:
                return len(name) % 2 == 0

        layer.channel_capacity = layer.compile_capacities({Even(): 5})  # type: ignore[dict-item]
        assert (layer.get_capacity("ab"), layer.get_capacity("abc")) == (5, 100)

    def test_capacity_is_read_at_each_use(self, layer: BaseChannelLayer) -> None:
        layer.capacity = 3
        assert layer.get_capacity("a") == 3


async def test_what_a_layer_does_not_implement_says_so(layer: BaseChannelLayer) -> None:
    for call in (
        layer.send("a", {}),
        layer.receive("a"),
        layer.new_channel(),
        layer.flush(),
        layer.group_add("g", "a"),
        layer.group_discard("g", "a"),
        layer.group_send("g", {}),
    ):
        with pytest.raises(NotImplementedError):
            await call
    assert layer.attach("a", lambda: None) is None
    assert layer.extensions == []
