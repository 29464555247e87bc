"""All that `make types` asks of the types, side by side; what fails is told in full.

    mypy         the package and code as users write it (tests/typing), strictly
    pyright      the same by another reader, also strictly
    public       pyright's completeness report: every public name has a type of its own
    stubs        signatures beside the published stubs of upstream's (scripts/check_stubs.py)

Pyright comes as basedpyright: its wheel brings the checker and a Node.js to run it, while the
package `pyright` is a launcher that downloads the checker from npm when it first runs.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BIN = Path(sys.executable).parent
# The completeness report looks for packages where the first `python` of the path does.
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

# What its dependencies leave open is not ours to close: asgiref has classes without annotations.
PUBLIC = ["basedpyright", "--verifytypes", "channels", "--ignoreexternal", "--outputjson"]


def run(*command: str) -> tuple[bool, str]:
    """Whether the command succeeded, and what it printed."""
    program = BIN / command[0]
    done = subprocess.run(  # noqa: S603 - our own tools
        [program, *command[1:]], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    return done.returncode == 0, (done.stdout + done.stderr).strip()


def mypy() -> tuple[bool, str]:
    return run("mypy")


def pyright() -> tuple[bool, str]:
    return run("basedpyright", "--pythonpath", sys.executable)


def public() -> tuple[bool, str]:
    _, output = run(*PUBLIC)
    return judged(output)


def judged(output: str) -> tuple[bool, str]:
    """The verdict on pyright's report in JSON: no public name may be unknown or ambiguous."""
    try:
        report = json.loads(output)["typeCompleteness"]
    except (ValueError, KeyError):
        return False, f"no report:\n{output}"
    if not report.get("pyTypedPath"):
        return False, f"no py.typed beside {report.get('packageRootDirectory')!r}"
    open_ones = [
        f"{symbol['name']}: {'; '.join(note['message'] for note in symbol['diagnostics'])}"
        for symbol in report["symbols"]
        if symbol["isExported"] and not (symbol["isTypeKnown"] and not symbol["isTypeAmbiguous"])
    ]
    count = report["exportedSymbolCounts"]["withKnownType"]
    if open_ones or not count:
        return False, "\n".join([*open_ones, f"{count} names are known"])
    return True, f"all {count} public names are known"


def stubs() -> tuple[bool, str]:
    return run("python", "scripts/check_stubs.py")


CHECKS: list[Callable[[], tuple[bool, str]]] = [pyright, public, stubs, mypy]


def main() -> int:
    start = time.monotonic()
    fine = True
    # Two at a time: each is one busy process, and more of them only take each other's memory.
    with ThreadPoolExecutor(max_workers=2) as pool:
        running = [(check.__name__, pool.submit(check)) for check in CHECKS]
        for name, future in running:
            passed, output = future.result()
            fine = fine and passed
            last = output.rpartition("\n")[2] if passed else f"FAILED\n{output}"
            print(f"{name:<8} {last}", flush=True)
    print(f"{time.monotonic() - start:.0f} s")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
