"""The suite from a shell. Ends with 0 if no promise was broken, 1 if one was, 2 for bad input."""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

from django.utils.module_loading import import_string

from channels.testing.conformance import CHECKS, Outcome, Result, checks_named, run_checks


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks that the arguments ask for and print what they found."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        for check in CHECKS:
            print(f"{check.name}\n    {check.sentence}")  # noqa: T201
        return 0
    if options.backend is None:
        parser.error("say which layer: the dotted path of its class (BACKEND)")
    backend, config = _backend(parser, options.backend), _config(parser, options.config)
    try:
        checks = checks_named(options.check)
    except ValueError as error:
        parser.error(str(error))

    def make_layer(**overrides: Any) -> Any:
        return backend(**{**config, **overrides})

    try:
        asyncio.run(_make_once(make_layer))
    except Exception as error:
        parser.error(f"{options.backend} cannot be made with {config!r}: {error!r}")
    # What a layer logs about the messages that it was made to drop is no finding.
    logging.getLogger("django.channels").addHandler(logging.NullHandler())
    results: list[Result] = []
    for check in checks:
        # A loop for each check: what one leaves behind cannot reach the next.
        results += asyncio.run(
            run_checks(
                make_layer,
                [check],
                peers=options.peers,
                patience=options.patience,
                expiry=options.expiry,
            )
        )
        _print(results[-1])
    counts = {o: sum(result.outcome is o for result in results) for o in Outcome}
    print(", ".join(f"{count} {outcome.value}" for outcome, count in counts.items()))  # noqa: T201
    return 1 if counts[Outcome.BROKEN] else 0


async def _make_once(make_layer: Any) -> None:
    make_layer()


def _print(result: Result) -> None:
    print(f"{result.outcome.value:8} {result.check.name}", flush=True)  # noqa: T201
    if result.outcome is Outcome.BROKEN:
        print(f"         promised: {result.check.sentence}")  # noqa: T201
    if result.detail:
        print(f"         {result.detail}")  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m channels.testing.conformance",
        description="Check what a channel layer promises. The layer is flushed: point it at a "
        "broker, or a prefix, that nothing else uses.",
    )
    parser.add_argument("backend", nargs="?", metavar="BACKEND", help="dotted path of the class")
    parser.add_argument(
        "--config", default="{}", metavar="JSON", help="what CONFIG would be in CHANNEL_LAYERS"
    )
    parser.add_argument(
        "--peers",
        action="store_true",
        help="also check what passes between processes: two layers of this config share a broker",
    )
    parser.add_argument(
        "--check", action="append", default=[], metavar="NAME", help="only this one; repeatable"
    )
    parser.add_argument(
        "--patience", type=float, default=5, metavar="SECONDS", help="how long a message may take"
    )
    parser.add_argument(
        "--expiry",
        type=float,
        default=1,
        metavar="SECONDS",
        help="expiry for the checks of it; each waits two and a half times as long",
    )
    parser.add_argument("--list", action="store_true", help="show the checks and run none")
    return parser


def _backend(parser: argparse.ArgumentParser, path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        parser.error(f"BACKEND {path!r} cannot be imported: {error}")


def _config(parser: argparse.ArgumentParser, text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        parser.error(f"--config is not JSON ({error}): {text!r}")
    if not isinstance(config, dict):
        parser.error(f"--config is {text!r}; it must be an object such as '{{\"capacity\": 100}}'")
    return config


if __name__ == "__main__":
    sys.exit(main())
