"""The other kinds of consumer, each live on one page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from tests.browser.site import ExampleSite
    from tests.browser.steps import OpenWindow


@pytest.fixture
def page(site: ExampleSite, open_window: OpenWindow) -> Page:
    return open_window(f"{site.url}/kinds/")


def expect_state(page: Page, card: str, state: str, text: str) -> None:
    status = page.locator(f"#{card} .status")
    expect(status).to_have_attribute("data-state", state)
    expect(status).to_contain_text(text)


@pytest.mark.parametrize("card", ["sync-echo", "async-echo"])
def test_text_comes_back(page: Page, card: str) -> None:
    expect_state(page, card, "online", "Online")
    root = page.locator(f"#{card}")
    for text in ("one", "zwei ☕", "<b>three</b>"):
        root.get_by_label("Text to send").fill(text)
        root.get_by_role("button", name="Send").click()
        expect(root.locator(".received .text").last).to_have_text(text)
    assert root.locator(".sent .text").all_inner_texts() == ["one", "zwei ☕", "<b>three</b>"]
    expect(root.locator(".received .detail").last).to_have_text(re.compile(r"^\d+\.\d ms$"))


def test_bytes_come_back(page: Page) -> None:
    expect_state(page, "binary-echo", "online", "Online")
    root = page.locator("#binary-echo")
    for count in (1, 2):
        root.get_by_role("button", name="Send 16 random bytes").click()
        expect(root.locator(".received")).to_have_count(count)
    sent = root.locator(".sent .text").all_inner_texts()
    assert root.locator(".received .text").all_inner_texts() == sent
    assert len(set(sent)) == 2
    assert all(re.fullmatch(r"[0-9a-f]{2}( [0-9a-f]{2}){15}", line) for line in sent)
    expect(root.locator(".received .detail").last).to_have_text(re.compile(r"^\d+\.\d ms$"))


def test_events_stream(page: Page) -> None:
    expect_state(page, "events", "online", "Online")
    root = page.locator("#events")
    lines = root.locator(".received .text")
    # Three ticks of a response that has not ended: it streams.
    expect(lines.nth(2)).to_have_text(re.compile(r"^data: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"))
    expect(root.locator(".clock")).not_to_have_text("--:--:--")
    texts = lines.all_inner_texts()
    assert texts == sorted(set(texts))

    root.get_by_role("button", name="Stop").click()
    expect_state(page, "events", "stopped", "Stopped")
    root.get_by_role("button", name="Start").click()
    expect_state(page, "events", "online", "Online")
    expect(lines.nth(len(texts))).to_be_visible()


def test_an_announcement_reaches_every_long_poll(
    page: Page, site: ExampleSite, open_window: OpenWindow
) -> None:
    other = open_window(f"{site.url}/kinds/")
    for text in ("Lunch is ready", "<i>Dessert</i>"):
        for window in (page, other):
            expect_state(window, "poll", "online", "Waiting")
        page.locator("#poll").get_by_label("Announcement").fill(text)
        page.locator("#poll").get_by_role("button", name="Announce").click()
        for window in (page, other):
            expect(window.locator("#poll .received .text").last).to_have_text(text)
    assert other.locator("#poll .received .text").all_inner_texts() == [
        "Lunch is ready",
        "<i>Dessert</i>",
    ]


def test_the_page_shows_the_code_that_answers(page: Page) -> None:
    root = page.locator("#sync-echo")
    root.get_by_text("The consumer").click()
    expect(root.locator("pre")).to_contain_text("class SyncEchoConsumer(WebsocketConsumer):")
