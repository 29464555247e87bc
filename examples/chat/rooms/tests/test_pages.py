from django.contrib.auth.models import User
from django.test import TestCase

from rooms.identity import SESSION_KEY

PASSWORD = "seven-lanes-42"


class RoomPageTests(TestCase):
    def test_a_new_site_has_rooms_to_open(self):
        response = self.client.get("/")
        for name in ("lobby", "tea-kitchen", "help-desk"):
            self.assertContains(response, f'href="/rooms/{name}/"')

    def test_a_typed_name_leads_to_its_room(self):
        response = self.client.get("/rooms/", {"name": "Kaffee & Kuchen?"}, follow=True)
        self.assertEqual(response.redirect_chain, [("/rooms/kaffee-&-kuchen%3F/", 302)])
        self.assertContains(response, "#</span>kaffee-&amp;-kuchen?</h1>")
        self.assertContains(response, 'data-room="kaffee-&amp;-kuchen?"')

    def test_another_spelling_leads_to_the_one_room(self):
        self.assertRedirects(self.client.get("/rooms/LOBBY/"), "/rooms/lobby/")

    def test_a_bad_name_is_explained_and_kept(self):
        for path in ("/rooms/?name=..", "/rooms/..%20/", "/rooms/?name=%2E%2E"):
            with self.subTest(path):
                response = self.client.get(path)
                self.assertContains(response, "at least one letter or digit", status_code=400)
                self.assertContains(response, 'value=".."' if "?" in path else '".. "', 1, 400)

    def test_a_typed_name_is_no_markup(self):
        response = self.client.get("/rooms/", {"name": "</script/><b>"})
        self.assertContains(response, "&lt;/script/&gt;&lt;b&gt;", status_code=400)
        self.assertNotContains(response, "<b>", status_code=400)

    def test_the_room_of_the_page_is_in_its_list(self):
        response = self.client.get("/rooms/brand-new/")
        self.assertContains(response, '<a href="/rooms/brand-new/" aria-current="page">')

    def test_pages_allow_no_foreign_content(self):
        self.assertContains(self.client.get("/"), "default-src 'self'")


class NameTests(TestCase):
    def test_a_guest_keeps_a_name(self):
        self.client.get("/")
        guest = self.client.session[SESSION_KEY]
        response = self.client.get("/rooms/lobby/")
        self.assertContains(response, f'<strong id="my-name">{guest["name"]}</strong>')
        self.assertContains(response, f'data-person="{guest["id"]}"')

    def test_sign_up_signs_in_and_goes_back(self):
        response = self.client.post(
            "/sign-up/?next=/rooms/lobby/",
            {"username": "amelie", "password1": PASSWORD, "password2": PASSWORD},
            follow=True,
        )
        self.assertEqual(response.redirect_chain, [("/rooms/lobby/", 302)])
        self.assertContains(response, '<strong id="my-name">amelie</strong>')
        user = User.objects.get(username="amelie")
        self.assertContains(response, f'data-person="user-{user.pk}"')

    def test_sign_up_goes_to_no_other_site(self):
        response = self.client.post(
            "/sign-up/?next=https://example.com/",
            {"username": "amelie", "password1": PASSWORD, "password2": PASSWORD},
        )
        self.assertRedirects(response, "/")

    def test_sign_up_says_what_is_wrong(self):
        response = self.client.post(
            "/sign-up/", {"username": "amelie", "password1": "12345", "password2": "12345"}
        )
        self.assertContains(response, "This password is too short.")
        self.assertFalse(User.objects.exists())

    def test_sign_in_and_out(self):
        User.objects.create_user("amelie", password=PASSWORD)
        response = self.client.post(
            "/sign-in/", {"username": "amelie", "password": PASSWORD}, follow=True
        )
        self.assertContains(response, '<strong id="my-name">amelie</strong>')
        response = self.client.post("/sign-out/", follow=True)
        self.assertNotContains(response, "amelie")
        self.assertContains(response, "Sign in")
