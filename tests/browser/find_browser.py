"""Find a Chromium for the browser tests, or get one: ``python -m tests.browser.find_browser``.

Prints the path of the executable. The order is: what ``CHROMIUM`` names, what is on ``PATH``, what
Playwright downloaded earlier, Debian's ``chromium`` package where this user may install it, and at
last Playwright's own download. Where all of that fails, the error says what was tried.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL_SECONDS = 600


class BrowserNotFoundError(RuntimeError):
    """No Chromium is here and none could be installed; the text lists each attempt."""


def find_browser() -> str:
    """Return the path of a Chromium or Chrome that starts, after installing one if need be.

    Raises:
        BrowserNotFoundError: ``CHROMIUM`` names something that does not start, or nothing worked.
    """
    if named := os.environ.get("CHROMIUM"):
        executable = shutil.which(named)
        if executable is None or not _starts(executable):
            raise BrowserNotFoundError(
                f"CHROMIUM is {named!r}, and that is no browser that starts. "
                "Set it to the path of a Chromium or Chrome, or unset it."
            )
        return executable

    tried: list[str] = []
    for search in (_on_path, _from_playwright, _install_debian, _install_playwright):
        executable = search(tried)
        if executable is not None and _starts(executable):
            return executable
    raise BrowserNotFoundError(
        "The browser tests need Chromium or Chrome, and none was found:\n"
        + "".join(f"  - {line}\n" for line in tried)
        + "Install one (Debian: apt-get install chromium) and put it on PATH, "
        "or set CHROMIUM to its path."
    )


def _starts(executable: str) -> bool:
    # Ubuntu's `chromium-browser` is a shell script that only says "install the snap".
    try:
        result = subprocess.run(
            [executable, "--version"], capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def _on_path(tried: list[str]) -> str | None:
    for name in NAMES:
        executable = shutil.which(name)
        if executable is not None and _starts(executable):
            return executable
    tried.append(f"on PATH: no {', '.join(NAMES)} that starts")
    return None


def _from_playwright(tried: list[str]) -> str | None:
    # In a process of its own: Playwright's synchronous API leaves a running loop in its thread.
    script = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p: print(p.chromium.executable_path)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    path = result.stdout.strip()
    if result.returncode == 0 and Path(path).is_file():
        return path
    tried.append("Playwright's own: not downloaded")
    return None


def _install_debian(tried: list[str]) -> str | None:
    apt = shutil.which("apt-get")
    if apt is None:
        tried.append("apt-get: not on this system")
        return None
    prefix = _privilege()
    if prefix is None:
        tried.append("apt-get: needs root, or sudo without a password")
        return None
    install = [*prefix, apt, "install", "-y", "--no-install-recommends"]
    install += ["chromium", "fonts-dejavu-core"]
    # The package lists may be fresh: they are fetched only when the first attempt needs them.
    for command in (install, [*prefix, apt, "update"], install):
        error = _run(command)
        if error is None and command is install:
            return shutil.which("chromium")
    tried.append(f"apt-get install chromium: {error}")
    return None


def _install_playwright(tried: list[str]) -> str | None:
    error = _run([sys.executable, "-m", "playwright", "install", "chromium"])
    if error is not None:
        tried.append(f"playwright install chromium: {error}")
        return None
    return _from_playwright(tried)


def _privilege() -> list[str] | None:
    """Return what to put before a command to run it as root, or None where that is not allowed."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None:
        return None
    allowed = subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0
    return [sudo, "-n"] if allowed else None


def _run(command: list[str]) -> str | None:
    """Run an installer and return None, or the last line that it printed when it failed."""
    print("+", " ".join(command), file=sys.stderr, flush=True)
    try:
        result = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=INSTALL_SECONDS,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc)
    if result.returncode == 0:
        return None
    lines = result.stdout.strip().splitlines()
    return lines[-1] if lines else f"exit status {result.returncode}"


if __name__ == "__main__":
    try:
        print(find_browser())
    except BrowserNotFoundError as exc:
        sys.exit(f"{exc}")
