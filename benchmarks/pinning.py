"""Which core a process runs on."""

import os


def pin(core: int | None) -> None:
    """Keep this process, and the threads that it will start, on one core; ``None`` leaves it be."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def two_cores(cores: list[int]) -> tuple[int, int] | None:
    """One core for the server and another for the load, where there are two and the system lets
    processes choose."""
    if len(cores) < 2 or not hasattr(os, "sched_setaffinity"):
        return None
    return cores[0], cores[1]
