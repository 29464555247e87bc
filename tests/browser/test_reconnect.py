"""The server goes away and comes back; the page says so and loses nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.steps import OpenWindow, expect_message, expect_online, messages, say

if TYPE_CHECKING:
    from tests.browser.site import ExampleSite

# The page waits up to 15 s between two attempts; "Retry now" is not used on purpose.
RECONNECT_MS = 40_000


def test_a_restart_of_the_server(own_site: ExampleSite, open_window: OpenWindow) -> None:
    one = open_window(f"{own_site.url}/rooms/restart/", quiet=False)
    two = open_window(f"{own_site.url}/rooms/restart/", quiet=False)
    for page in (one, two):
        expect_online(page)
    say(one, "before")
    expect_message(two, "before")

    own_site.stop()

    for page in (one, two):
        status = page.locator("#status")
        expect(status).to_have_attribute("data-state", "waiting")
        expect(status).to_contain_text(re.compile(r"Reconnecting\s+in \d+ s"))
        expect(page.get_by_role("button", name="Retry now")).to_be_visible()
    say(one, "meanwhile")
    expect(one.locator("#pending")).to_contain_text("Will be sent when you are back online")

    own_site.start()

    for page in (one, two):
        expect(page.locator("#status")).to_have_attribute(
            "data-state", "online", timeout=RECONNECT_MS
        )
        expect_message(page, "meanwhile")
        expect(page.locator(".count")).to_have_text("2 here")
    expect(one.locator("#pending > *")).to_have_count(0)
    say(two, "after")
    for page in (one, two):
        expect_message(page, "after")
        assert messages(page).all_inner_texts() == ["before", "meanwhile", "after"]


def test_a_network_that_is_off_and_on(own_site: ExampleSite, open_window: OpenWindow) -> None:
    page = open_window(f"{own_site.url}/rooms/network/", quiet=False)
    expect_online(page)

    page.context.set_offline(True)
    own_site.stop()
    expect(page.locator("#status")).to_have_attribute("data-state", "offline")
    expect(page.locator("#status")).to_contain_text("Offline")

    own_site.start()
    page.context.set_offline(False)
    expect_online(page)
