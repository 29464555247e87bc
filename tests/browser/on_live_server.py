"""The example site on the live test server, as a project writes such a test.

Run by ``test_live_server.py`` with the example's own ``manage.py test``; Chromium's path is in the
environment.
"""

from __future__ import annotations

import os

from playwright.sync_api import sync_playwright

from channels.testing import ChannelsLiveServerTestCase
from tests.browser.launch import FLAGS
from tests.browser.steps import expect_message, expect_online, say


class TwoWindows(ChannelsLiveServerTestCase):
    serve_static = True

    def test_talk_and_find_it_again_after_a_reload(self) -> None:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=FLAGS)
            one, two = (browser.new_context().new_page() for _ in range(2))
            for page in (one, two):
                page.goto(f"{self.live_server_url}/rooms/live/")
                expect_online(page)
            say(one, "In the database of a test.")
            expect_message(two, "In the database of a test.")
            two.reload()
            expect_online(two)
            expect_message(two, "In the database of a test.")
            browser.close()
