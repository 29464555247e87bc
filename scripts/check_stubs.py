"""Compare the package with the published stubs of upstream's, `types-channels`, by mypy's stubtest.

Names that only we have are no concern of the stubs. Every other difference has to stand, with its
reason, in the table of docs/reference/typing.md, and nothing may stand there that is none.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

STUBS = Path(sys.prefix) / "published-stubs"
"""Out of the way of the type checkers, which prefer such stubs to the types in a package."""

PAGE = Path("docs/reference/typing.md")

CONFIG = """\
[mypy]
cache_dir = .mypy_cache/published-stubs
plugins = mypy_django_plugin.main
[mypy.plugins.django-stubs]
django_settings_module = tests.settings
"""


def differences(stubs: Path) -> set[str]:
    """What stubtest has to say, a line for each difference."""
    package = stubs / "channels-stubs"
    if not package.is_dir():
        raise SystemExit(f"{package} is not there; `make types` installs it")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        # By this name, so that it is found before the package, which has types of its own.
        (place / "channels").symlink_to(package.resolve(), target_is_directory=True)
        (place / "mypy.ini").write_text(CONFIG, encoding="utf-8")
        done = subprocess.run(  # noqa: S603 - our own tools
            [
                sys.executable,
                *("-m", "mypy.stubtest", "channels", "--concise", "--ignore-missing-stub"),
                *("--mypy-config-file", str(place / "mypy.ini")),
            ],
            env={**os.environ, "MYPYPATH": str(place), "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=False,
        )
    lines = set(done.stdout.splitlines())
    if done.stderr or any(not line.startswith("channels.") for line in lines):
        raise SystemExit(f"stubtest did not get to the end:\n{done.stdout}{done.stderr}")
    return lines


def listed(page: str) -> set[str]:
    """The differences that the page's table lists, in stubtest's words."""
    return set(re.findall(r"^\| `(channels\.[^`]+)` \|", page, flags=re.MULTILINE))


def verdict(found: set[str], known: set[str]) -> list[str]:
    """What is wrong, a line each: differences that nobody explained, explanations of none."""
    return [
        *(f"not in {PAGE}: {line}" for line in sorted(found - known)),
        *(f"in {PAGE}, but no difference any more: {line}" for line in sorted(known - found)),
    ]


def main() -> int:
    known = listed(PAGE.read_text(encoding="utf-8"))
    wrong = verdict(differences(STUBS), known)
    if wrong:
        print("\n".join(wrong))
        return 1
    print(f"{len(known)} differences from the published stubs, each with its reason")
    return 0


if __name__ == "__main__":
    sys.exit(main())
