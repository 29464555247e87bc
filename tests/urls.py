"""No page is needed: the routes of the tests are built by the tests."""

from typing import Any

urlpatterns: list[Any] = []
