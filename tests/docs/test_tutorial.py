"""Every part of the tutorial leaves a project that runs, made by the tutorial's own steps."""

import json
import re
from pathlib import Path

import pytest

from tests.docs.project import CODE, TutorialProject

TUTORIALS = CODE.parent

GET_PAGES = """
from django.test import Client
client = Client(headers={"host": "localhost"})
for path in ("/", "/?room=Tea+Time", "/?room=", "/rooms/tea-time/", "/rooms/no!/"):
    response = client.get(path)
    print(response.status_code, response.get("Location", "-"))
print(client.get("/rooms/tea-time/").content.decode())
"""

TALK = """
import asyncio, json
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from lounge.asgi import application

async def main():
    headers = [(b"origin", b"http://localhost")]
    ann, bob, eve = (
        WebsocketCommunicator(application, f"/ws/rooms/{room}/", headers=headers)
        for room in ("tea", "tea", "coffee")
    )
    answers = [await client.connect() for client in (ann, bob, eve)]
    await ann.send_json_to({"text": " "})
    await ann.send_json_to({"text": "hello"})
    heard = [await ann.receive_json_from(), await bob.receive_json_from()]
    quiet = await eve.receive_nothing()
    for client in (ann, bob, eve):
        await client.disconnect()
    print(json.dumps([answers, heard, quiet, len(get_channel_layer().groups)]))

asyncio.run(main())
"""


def test_part_1_serves_its_pages(tmp_path: Path) -> None:
    project = TutorialProject(tmp_path, 1)
    assert "no issues" in project.run("manage.py", "check").stdout
    *answers, page = project.script(GET_PAGES).split("\n", 5)
    assert answers == ["200 -", "302 /rooms/tea-time/", "200 -", "200 -", "404 -"]
    assert "<h1>tea-time</h1>" in page


def test_part_2_lets_a_room_talk(tmp_path: Path) -> None:
    project = TutorialProject(tmp_path, 2)
    assert "no issues" in project.run("manage.py", "check").stdout
    project.run("manage.py", "migrate")
    answers, heard, quiet, groups = json.loads(project.script(TALK))
    assert answers == [[True, None]] * 3
    assert heard == [{"text": "hello"}] * 2
    assert quiet is True
    assert groups == 0


def test_part_3_and_the_tests_of_part_4(tmp_path: Path) -> None:
    project = TutorialProject(tmp_path, 4)
    assert "no issues" in project.run("manage.py", "check").stdout
    report = project.run("manage.py", "test").stderr
    written = (CODE / "part4/chat/tests.py").read_text(encoding="utf-8").count("def test_")
    assert f"Ran {written} tests" in report


@pytest.mark.parametrize("path", sorted(path for path in CODE.rglob("*") if path.is_file()))
def test_every_file_is_shown_to_the_reader(path: Path) -> None:
    if "__pycache__" in path.parts:
        pytest.fail("the tutorial's code is run in place; run it in a copy")
    shown = set()
    for page in TUTORIALS.glob("*.md"):
        shown |= set(re.findall(r"\{literalinclude\} (\S+)", page.read_text(encoding="utf-8")))
    assert path.relative_to(TUTORIALS).as_posix() in shown
