"""Programs that use a layer from sync code, in processes of their own: connections can be counted
there, and what the interpreter says at its exit be read."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from tests.redis_servers import Cluster, Server

ROOT = Path(__file__).parents[3]

FORKS = "ignore:This process (pid=:DeprecationWarning"
"""What Python 3.12 and newer say of a fork in a process with threads, which is the program's own
affair."""

PRELUDE = """
import asyncio, json, logging, multiprocessing, os, signal, socket, sys, threading, time
from asgiref.sync import async_to_sync, sync_to_async
import django
from django.conf import settings
settings.configure()
django.setup()
from channels.layers.redis import RedisChannelLayer

# In debug mode asyncio says of each step how long it took, which is the machine's affair.
logging.getLogger("asyncio").setLevel(logging.ERROR)

layer = RedisChannelLayer(hosts=json.loads(os.environ["HOSTS"]), capacity=5000)

def send(number, sender=0):
    layer.sync.group_send("room", {"type": "x", "from": sender, "n": number})

async def asend(number, sender=0):
    await layer.group_send("room", {"type": "x", "from": sender, "n": number})

def ask(port, *words):
    with socket.create_connection(("127.0.0.1", port), 10) as asking:
        asking.sendall(" ".join(words).encode() + b"\\r\\n")
        reply = asking.makefile("rb")
        length = int(reply.readline()[1:])
        return reply.read(length).decode()

def connections_by_server():
    "How many there are now at each, but for the one that asks."
    ports = json.loads(os.environ["PORTS"])
    return [ask(port, "CLIENT", "LIST").count("id=") - 1 for port in ports]

def connections():
    return sum(connections_by_server())

def in_threads(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

def in_child(function):
    child = os.fork()
    if child == 0:
        function()
        sys.stdout.flush()
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0, "the child failed"
"""


class Done(NamedTuple):
    code: int | None
    out: list[str]
    err: str


Servers: TypeAlias = Server | list[Server] | Cluster


async def run(servers: Servers, body: str) -> Done:
    """Run a program in Python's development mode, with warnings as errors."""
    if isinstance(servers, Cluster):
        nodes, hosts = servers.nodes, servers.hosts
    else:
        nodes = servers if isinstance(servers, list) else [servers]
        hosts = [node.url for node in nodes]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "error", "-W", FORKS, "-c", PRELUDE + body),
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            "HOSTS": json.dumps(hosts),
            "PORTS": json.dumps([node.port for node in nodes]),
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    except BaseException:
        process.kill()
        await process.communicate()
        raise
    return Done(process.returncode, out.decode().splitlines(), err.decode())


async def quiet(servers: Servers, body: str) -> list[str]:
    """What a program printed that ends well and has nothing to complain of."""
    done = await run(servers, body)
    assert (done.code, done.err) == (0, ""), done
    return done.out


def numbers(messages: list[Any]) -> dict[int, list[int]]:
    """By sender, what it sent, in the order of arrival."""
    found: dict[int, list[int]] = {}
    for message in messages:
        found.setdefault(message["from"], []).append(message["n"])
    return found
