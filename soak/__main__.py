"""Soak the package: clients that come and go as they please, under faults, for minutes.

    python -m soak                                both layers, five minutes each
    python -m soak --layer memory --minutes 1
    python -m soak --layer redis --clients 200 --seed 7

In the end everybody leaves, and the account has to balance: who came has gone, who joined has left,
what was sent was delivered, dropped and counted, or reported as a gap; tables are empty; tasks,
threads and memory are what they were after the warm-up. The exit code says whether all of it holds.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

from tests.redis_servers import Server as Redis
from tests.redis_servers import redis_server

from soak import account
from soak.clients import ROOMS, Crowd, Line
from soak.server import Site, hurt, serving

SETTLE_SECONDS = 30.0
WARM_UP = 0.4
"""Which part of the time is the warm-up, with the same load: what is made once is made then."""

PROGRESS_SECONDS = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="in all (default: 10)")
    parser.add_argument("--layer", choices=["memory", "redis", "both"], default="both")
    parser.add_argument("--clients", type=int, default=60, help="at once (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="of the clients' choices (default: 1)")
    parser.add_argument("--log", type=Path, help="a folder for the site's log (default: temporary)")
    options = parser.parse_args()
    layers = ["memory", "redis"] if options.layer == "both" else [options.layer]
    seconds = options.minutes * 60 / len(layers)
    fine = True
    with ExitStack() as stack:
        folder = options.log or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        for layer in layers:
            log = folder / f"{layer}.log"
            print(f"{layer}: {options.clients} clients for {seconds:.0f} s", flush=True)
            lines = asyncio.run(soak(layer, log, seconds, options.clients, options.seed))
            for line in lines:
                print(f"  {'ok    ' if line.holds else 'FAILED'} {line.what}: {line.figures}")
            if not all(line.holds for line in lines):
                fine = False
                print(f"  the end of the log:\n{log.read_text(errors='replace')[-3000:]}")
            sys.stdout.flush()
    return 0 if fine else 1


async def soak(
    layer: str, log: Path, seconds: float, clients: int, seed: int
) -> list[account.Line]:
    """One layer: warm up, let everybody leave, go on, let everybody leave, and add up."""
    with ExitStack() as stack:
        redis: Redis | None = None
        if layer == "redis":
            redis = stack.enter_context(redis_server(keeps_data=True))
        site = stack.enter_context(serving("memory" if redis is None else redis.url, log))
        began = time.monotonic()
        async with AsyncExitStack() as listening:
            await _listen(site, listening)
            start = {}
            for part in (WARM_UP, 1 - WARM_UP):
                before, start = start, await _part(site, redis, seconds * part, clients, seed)
            end = start
            lines = account.connections(_without_listeners(end)) + account.messages(end)
            lines += account.resources(before, end)
        empty = await _settled(site, lambda state: not state["mailboxes"] + state["memberships"])
        lines += account.tables(empty)
        code = await asyncio.to_thread(site.end)
        lines.append(account.Line("the process ends by itself", code in {0, -15}, f"code {code}"))
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
    return lines


async def _listen(site: Site, listening: AsyncExitStack) -> None:
    for room in ROOMS:
        line = await Line.open(site.port, f"/listen/{room}/")
        if line.status != 101:
            raise RuntimeError(f"no listener in {room}: {line.status}")
        reading = asyncio.create_task(line.read(1e9))
        listening.push_async_callback(_stop_listening, line, reading)


async def _stop_listening(line: Line, reading: "asyncio.Task[None]") -> None:
    reading.cancel()
    await asyncio.wait([reading])
    await line.leave()


async def _part(
    site: Site, redis: Redis | None, seconds: float, clients: int, seed: int
) -> dict[str, Any]:
    """Let clients live for so long, and return the state when all of them are gone."""
    crowd = Crowd(site.port, clients, seed)
    telling = asyncio.create_task(_tell(site, crowd, seconds))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(crowd.live(seconds))
            if redis is not None:
                hurting = group.create_task(hurt(redis, seconds))
    finally:
        telling.cancel()
        await asyncio.wait([telling])
    if redis is not None:
        print(f"  the broker was hurt {len(hurting.result())} times", flush=True)
    print(f"  lives: {_listed(crowd.lives)}; refused: {_listed(crowd.refused)}", flush=True)
    return await _settled(site, _is_quiet)


async def _tell(site: Site, crowd: Crowd, seconds: float) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        state = await site.state()
        print(
            f"  {time.monotonic() - began:4.0f}/{seconds:.0f} s: {crowd.lives.total():,} lives, "
            f"{state['counts'].get('offered', 0):,} copies of messages, "
            f"{state['resident'] / 2**20:.0f} MiB",
            flush=True,
        )


def _is_quiet(state: dict[str, Any]) -> bool:
    """Only the listeners are left, and nothing is on its way to them."""
    lines = account.connections(_without_listeners(state)) + account.messages(state)
    return state["mailboxes"] <= len(ROOMS) and all(line.holds for line in lines)


def _without_listeners(state: dict[str, Any]) -> dict[str, Any]:
    package = dict(state["package"])
    package["connections.opened"] = package.get("connections.opened", 0) - len(ROOMS)
    return {**state, "package": package}


async def _settled(site: Site, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The state as soon as something holds of it, or after a while as it is."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        state = await site.state()
        if holds(state) or time.monotonic() > deadline:
            return state
        await asyncio.sleep(0.2)


def _listed(counts: Any) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.most_common()) or "none"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
