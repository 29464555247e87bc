"""``python -m benchmarks.load CORE``: the clients of one server."""

import asyncio
import json
import sys

import uvloop

from benchmarks.lines import Lines, Message, answer_to
from benchmarks.load.clients import Crowd
from benchmarks.machine import versions
from benchmarks.pinning import pin


async def work(lines: Lines) -> None:
    crowd = Crowd()

    async def handle(message: Message) -> Message:
        answer: Message = await getattr(crowd, message["do"])(**message["with"])
        return answer

    # Unlike a worker, this process must go on reading its sockets while it waits for a question.
    questions = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(questions), sys.stdin
    )
    lines.write({"versions": versions()})
    while line := await questions.readline():
        lines.write(await answer_to(json.loads(line), handle))


def main(core: str) -> None:
    pin(int(core) if core != "any" else None)
    lines = Lines()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
