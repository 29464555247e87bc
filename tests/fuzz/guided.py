"""Fuzz one parser, guided by coverage, for a while: ``python -m tests.fuzz.guided NAME``.

    python -m tests.fuzz.guided json_text --seconds 60 --corpus /tmp/corpus

Needs Atheris, which has wheels for Linux. An input that breaks what :mod:`tests.fuzz.targets`
promises is printed, ready for :mod:`tests.fuzz.seeds`, and ends the run with an error. Inputs that
found new ways through the code are kept and used the next time.
"""

import argparse
import os
import sys
from pathlib import Path

import atheris

MOST_BYTES = 4096
MEASURED = ["channels", "django.http.cookie", "django.urls", "http.cookies"]
"""Whose branches count: ours, and where what comes from outside goes next."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="default: test-results/fuzz/NAME")
    options = parser.parse_args()

    with atheris.instrument_imports(include=MEASURED, enable_loader_override=False):
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.fuzz.guided_settings"
        import django

        django.setup()
        from tests.fuzz.seeds import SEEDS
        from tests.fuzz.targets import TARGETS

    target = TARGETS[options.name]

    def once(data: bytes) -> None:
        try:
            target(data)
        except BaseException:
            print(f"seed for tests/fuzz/seeds.py: {data!r}", flush=True)
            raise

    corpus: Path = options.corpus or Path("test-results", "fuzz", options.name)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[options.name]):
        (corpus / f"seed-{number}").write_bytes(seed[:MOST_BYTES])
    arguments = [
        sys.argv[0],
        f"-max_total_time={options.seconds}",
        f"-max_len={MOST_BYTES}",
        "-timeout=10",  # seconds for one input
        f"-artifact_prefix={corpus}/",
        "-print_final_stats=1",
        "-verbosity=0",
        str(corpus),
    ]
    atheris.Setup(arguments, once)
    atheris.Fuzz()  # ends the process


if __name__ == "__main__":
    main()
