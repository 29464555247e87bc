"""Rooms: two windows talk, come back, have names, and trust no text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

from tests.browser.steps import (
    OpenWindow,
    expect_message,
    expect_online,
    messages,
    my_name,
    say,
    sign_in,
    sign_up,
)

if TYPE_CHECKING:
    from tests.browser.site import ExampleSite


def enter(open_window: OpenWindow, site: ExampleSite, room: str, **options: object) -> Page:
    page = open_window(f"{site.url}/rooms/{room}/", **options)
    expect_online(page)
    return page


def test_two_windows_talk(site: ExampleSite, open_window: OpenWindow) -> None:
    one = enter(open_window, site, "talk")
    two = enter(open_window, site, "talk")
    for page in (one, two):
        expect(page.locator(".count")).to_have_text("2 here")

    say(one, "Is anybody here?")
    expect_message(two, "Is anybody here?")
    say(two, "I am.")
    expect_message(one, "I am.")

    assert messages(one).all_inner_texts() == ["Is anybody here?", "I am."]
    assert messages(two).all_inner_texts() == ["Is anybody here?", "I am."]
    # Each window knows which of the two is its own, and whose the other is.
    assert one.locator(".message.mine .bubble").all_inner_texts() == ["Is anybody here?"]
    assert two.locator(".message.mine .bubble").all_inner_texts() == ["I am."]
    expect(one.locator(".message:not(.mine) .sender")).to_have_text(my_name(two))
    expect(one.locator("#pending > *")).to_have_count(0)


def test_rooms_do_not_hear_each_other(site: ExampleSite, open_window: OpenWindow) -> None:
    here = enter(open_window, site, "here")
    there = enter(open_window, site, "there")
    say(here, "Only here")
    expect_message(here, "Only here")
    # By now it would have come: what is said there comes after it.
    say(there, "Only there")
    expect_message(there, "Only there")
    assert messages(there).all_inner_texts() == ["Only there"]


def test_one_who_leaves_is_missed(site: ExampleSite, open_window: OpenWindow) -> None:
    one = enter(open_window, site, "leaving")
    two = enter(open_window, site, "leaving")
    expect(one.locator(".count")).to_have_text("2 here")
    two.close()
    expect(one.locator(".count")).to_have_text("1 here")


def test_markup_is_shown_as_text(site: ExampleSite, open_window: OpenWindow) -> None:
    texts = [
        "<img src=x onerror=\"document.title='broken in'\">",
        "<script>document.title='broken in'</script>",
        "</li></ol><h1>broken in</h1>",
        "&lt;b&gt; {{ 7 * 7 }} ${7 * 7}",
    ]
    one = enter(open_window, site, "markup")
    two = enter(open_window, site, "markup")
    for text in texts:
        say(one, text)
        expect_message(two, text)
    late = enter(open_window, site, "markup")
    for page in (one, two, late):
        assert messages(page).all_inner_texts() == texts
        expect(page.locator("#messages :is(img, script, h1, ol, b)")).to_have_count(0)
        expect(page).to_have_title(re.compile("^#markup"))


def test_a_reload_rejoins(site: ExampleSite, open_window: OpenWindow) -> None:
    one = enter(open_window, site, "reload")
    two = enter(open_window, site, "reload")
    say(one, "Before")
    expect_message(two, "Before")
    name = my_name(one)

    one.reload()

    expect_online(one)
    expect_message(one, "Before")
    assert my_name(one) == name
    say(two, "After")
    expect_message(one, "After")
    assert messages(one).all_inner_texts() == ["Before", "After"]
    for page in (one, two):
        expect(page.locator(".count")).to_have_text("2 here")


def test_what_was_said_before_is_there(site: ExampleSite, open_window: OpenWindow) -> None:
    one = enter(open_window, site, "history")
    expect(one.locator("#empty")).to_be_visible()
    say(one, "First\nsecond line")
    expect(messages(one)).to_have_count(1)
    expect(one.locator("#empty")).to_be_hidden()
    late = enter(open_window, site, "history")
    assert messages(late).all_inner_texts() == ["First\nsecond line"]


def test_a_room_has_any_name(site: ExampleSite, open_window: OpenWindow) -> None:
    one = open_window(site.url)
    two = open_window(site.url)
    for typed, shown in [
        ("Weekend Plans", "#weekend-plans"),
        ("Kaffee & Kuchen? 100%", "#kaffee-&-kuchen?-100%"),
        ("中文 房间", "#中文-房间"),
        ("<img src=x onerror=alert(1)>", "#<img-src=x-onerror=alert(1)>"),
    ]:
        one.goto(site.url)
        one.get_by_label("Room name").fill(typed)
        one.get_by_role("button", name="Open room").click()
        expect(one.get_by_role("heading", level=1)).to_have_text(shown)
        expect_online(one)
        # The address is what a person passes on.
        two.goto(one.url)
        expect_online(two)
        say(one, f"Found {typed}")
        expect_message(two, f"Found {typed}")


def test_a_name_that_cannot_be_is_explained(site: ExampleSite, open_window: OpenWindow) -> None:
    # The answer is a 400, which the browser reports on its console.
    page = open_window(site.url, quiet=False)
    field = page.get_by_label("Room name")
    field.fill("left/right")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("A room name cannot contain “/”.")
    expect(field).to_have_value("left/right")


def test_the_name_after_sign_up_and_sign_in(site: ExampleSite, open_window: OpenWindow) -> None:
    listener = enter(open_window, site, "names")
    page = enter(open_window, site, "names")
    guest = my_name(page)
    say(page, "I am a guest")
    expect_message(listener, "I am a guest")
    expect(listener.locator(".message .sender").last).to_have_text(guest)
    expect(listener.locator(".message .tag").last).to_have_text("guest")

    sign_up(page, "amelie")
    expect(page.locator("#my-name")).to_have_text("amelie")
    # Back in the room that the way began in.
    expect_online(page)
    say(page, "Now I have a name")
    expect_message(listener, "Now I have a name")
    expect(listener.locator(".message .sender").last).to_have_text("amelie")

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    assert my_name(page) != "amelie"
    expect(page.locator(".me .tag")).to_have_text("guest")
    page.goto(listener.url)
    sign_in(page, "amelie")
    expect_online(page)
    say(page, "Back again")
    expect_message(listener, "Back again")
    expect(listener.locator(".message .sender").last).to_have_text("amelie")
    # What was said before keeps its name, and is the same person's.
    assert page.locator(".message.mine .bubble").all_inner_texts() == [
        "Now I have a name",
        "Back again",
    ]


def test_by_keyboard_alone(site: ExampleSite, open_window: OpenWindow) -> None:
    page = open_window(site.url)
    page.keyboard.type("keyboard room")
    page.keyboard.press("Enter")
    expect_online(page)
    page.keyboard.type("No mouse")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("was used")
    page.keyboard.press("Enter")
    expect_message(page, "No mouse\nwas used")
    page.locator(".people summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="In this room")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="In this room")).to_be_hidden()


def test_every_page_fits_a_narrow_phone(site: ExampleSite, open_window: OpenWindow) -> None:
    page = open_window(site.url, viewport={"width": 360, "height": 640}, has_touch=True)
    for path in ("/", "/sign-in/", "/sign-up/", "/kinds/", f"/rooms/{'w' * 50}/"):
        page.goto(site.url + path)
        if path.startswith("/rooms/"):
            expect_online(page)
            say(page, "unbreakable" * 20)
            expect_message(page, "unbreakable" * 20)
            expect(page.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, path


def test_a_long_conversation_scrolls(site: ExampleSite, open_window: OpenWindow) -> None:
    one = enter(open_window, site, "long", viewport={"width": 800, "height": 500})
    two = enter(open_window, site, "long")
    for number in range(25):
        say(two, f"line {number}")
    expect_message(one, "line 24")
    # At the end, a reader stays at the end.
    expect(messages(one).last).to_be_in_viewport()
    one.locator("#scroller").evaluate("element => element.scrollTo(0, 0)")
    say(two, "news")
    jump = one.get_by_role("button", name="New messages")
    expect(jump).to_be_visible()
    expect(messages(one).first).to_be_in_viewport()
    jump.click()
    expect(messages(one).last).to_be_in_viewport()
    expect(jump).to_be_hidden()
