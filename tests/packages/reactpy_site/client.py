"""Reads and answers what a reactpy component sends."""

import json
from typing import Any

PATH = "/reactpy/tests.packages.reactpy_site.components.counter"


def text_of(layout: dict[str, Any]) -> str:
    """All strings that the layout shows, in order."""
    return " ".join(_strings(layout["model"]))


def click_on(layout: dict[str, Any]) -> dict[str, Any]:
    """The message of a click on the button of the layout."""
    target = json.dumps(layout["model"]).partition('"target": "')[2].partition('"')[0]
    return {"type": "layout-event", "target": target, "data": [{}]}


def _strings(model: Any) -> list[str]:
    if isinstance(model, str):
        return [model]
    found: list[str] = []
    for child in model.get("children", ()):
        found += _strings(child)
    return found
