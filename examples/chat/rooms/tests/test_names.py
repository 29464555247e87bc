from django.test import SimpleTestCase

from rooms.names import BadRoomNameError, clean_room_name, room_group


class CleanTests(SimpleTestCase):
    def test_one_spelling(self):
        for typed in (
            "Team Lunch",
            " team  lunch ",
            "#team-lunch",
            "TEAM\tLUNCH",
            "ｔｅａｍ lunch",
        ):
            with self.subTest(typed):
                self.assertEqual(clean_room_name(typed), "team-lunch")

    def test_every_script(self):
        for name in ("中文房间", "café", "комната", "🎉1", "50%", "a&b", "<b>"):
            with self.subTest(name):
                self.assertEqual(clean_room_name(name), name)

    def test_what_is_no_name(self):
        cases = {
            "": "Type a name",
            " # ": "Type a name",
            "x" * 51: "at most 50 characters; this one has 51",
            "left/right": "cannot contain “/”",
            "left\\right": "cannot contain “\\”",
            "..": "at least one letter or digit",
            "🎉": "at least one letter or digit",
            "zero\u200bwidth": "invisible",
            "nul\0": "invisible",
        }
        for typed, message in cases.items():
            with self.subTest(typed), self.assertRaisesMessage(BadRoomNameError, message):
                clean_room_name(typed)


class GroupTests(SimpleTestCase):
    def test_a_plain_name_can_be_read(self):
        self.assertEqual(room_group("team-lunch_2.0"), "room.team-lunch_2.0")

    def test_any_other_name_has_a_group_of_its_own(self):
        groups = {room_group(name) for name in ("中文", "café", "cafe", "a b", "🎉1", "x" * 50)}
        self.assertEqual(len(groups), 6)
        for group in groups:
            self.assertRegex(group, r"\A[a-zA-Z0-9_.-]{1,99}\Z")
