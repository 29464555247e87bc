"""``python -m benchmarks.server CONTENDER LOOP CORE WS``: uvicorn, on a free port of 127.0.0.1.

A thread answers the harness's questions: how much CPU time the process has used, and how much
memory it holds. Between slices nobody asks, and the thread costs nothing.
"""

import gc
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Literal

import uvicorn

from benchmarks.lines import Lines, Message
from benchmarks.machine import versions
from benchmarks.pinning import pin
from benchmarks.server.application import application


def main(contender: str, loop: Literal["asyncio", "uvloop"], core: str, ws: str) -> None:
    pin(int(core) if core != "any" else None)
    lines = Lines()
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    server = uvicorn.Server(
        uvicorn.Config(
            application(contender),
            loop=loop,
            ws=ws,
            lifespan="off",
            log_level="warning",
            access_log=False,
            # Pings are the same on every side and would only be noise.
            ws_ping_interval=None,
            workers=1,
        )
    )
    port: int = listener.getsockname()[1]
    lines.write({"versions": versions(), "port": port})
    threading.Thread(target=answer_questions, args=(lines, server), daemon=True).start()
    server.run(sockets=[listener])


def answer_questions(lines: Lines, server: uvicorn.Server) -> None:
    while (message := lines.read()) is not None:
        lines.write({"cpu": cpu, "memory": memory}[message["do"]]())
    server.should_exit = server.force_exit = True


def cpu() -> Message:
    return {"cpu": time.process_time()}


def memory() -> Message:
    """Bytes that the process holds in memory, after a look for garbage."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {"bytes": pages * os.sysconf("SC_PAGE_SIZE")}


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type] # the harness gives what fits
