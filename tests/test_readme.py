"""The README's twenty lines run as they stand, under the server that the README names."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Runs beside the README's chat.py. The listening socket exists before the server starts, so the
# clients can connect at once and wait in its backlog; nothing has to be polled.
DRIVER = """
import asyncio, json, socket
import uvicorn
from websockets.asyncio.client import connect
from chat import application

async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    url = "ws://127.0.0.1:%d/ws/" % listener.getsockname()[1]
    config = uvicorn.Config(application, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    async with asyncio.timeout(20), connect(url) as ann, connect(url) as bob:
        await ann.send(json.dumps({"text": "hello"}))
        print(json.dumps([json.loads(await ann.recv()), json.loads(await bob.recv())]))
    server.should_exit = True
    await serving

asyncio.run(main())
"""


def example() -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"runs this block -->\n```python\n(.*?)```", readme, flags=re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_twenty_lines_are_about_twenty() -> None:
    lines = [line for line in example().splitlines() if line.strip()]
    assert len(lines) <= 20


def test_a_message_of_one_client_reaches_both(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(example(), encoding="utf-8")
    (tmp_path / "driver.py").write_text(DRIVER, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "driver.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"text": "hello"}, {"text": "hello"}]
    assert done.stderr == ""


def test_every_file_that_the_readme_links_to_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", readme)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
