"""What a person does and sees in the example site, in words."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

# Opens a window of its own, cookies included, and returns its page.
OpenWindow = Callable[..., Page]

# Nothing takes this long, save on a machine that does much else.
WAIT_MS = 20_000
PASSWORD = "seven-lanes-42"


def expect_online(page: Page) -> None:
    status = page.locator("#status")
    expect(status).to_have_attribute("data-state", "online")
    expect(status).to_contain_text("Online")


def say(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="Message #")
    box.fill(text)
    box.press("Enter")


def messages(page: Page, text: str | None = None) -> Locator:
    """Return the confirmed messages of the room, or those that are exactly this text."""
    bubbles = page.locator("#messages .bubble")
    if text is None:
        return bubbles
    return bubbles.and_(page.get_by_text(text, exact=True))


def expect_message(page: Page, text: str) -> None:
    expect(messages(page, text)).to_have_count(1)


def my_name(page: Page) -> str:
    return page.locator("#my-name").inner_text()


def sign_up(page: Page, name: str) -> None:
    page.get_by_role("link", name="Sign in").click()
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()


def sign_in(page: Page, name: str) -> None:
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
