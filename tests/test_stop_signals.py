"""Hearing that the process is to end."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from channels.stop_signals import STOP_SIGNALS, stop_on_signals


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_the_first_signal_calls_and_the_second_does_what_it_did_before(number):
    before, stops = [], []
    original = signal.signal(number, lambda n, frame: before.append(n))
    try:
        with stop_on_signals(stops.append):
            os.kill(os.getpid(), number)
            assert (stops, before) == ([number], [])
            os.kill(os.getpid(), number)
            assert (stops, before) == ([number], [number])
        os.kill(os.getpid(), number)
        assert (stops, before) == ([number], [number, number])
    finally:
        signal.signal(number, original)


def test_handlers_are_put_back_when_no_signal_came_and_when_the_block_fails():
    handlers = [signal.getsignal(number) for number in STOP_SIGNALS]
    with stop_on_signals(print):
        assert [signal.getsignal(number) for number in STOP_SIGNALS] != handlers
    with pytest.raises(RuntimeError), stop_on_signals(print):
        raise RuntimeError
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == handlers


def test_other_threads_install_nothing():
    seen = []

    def run():
        with stop_on_signals(print):
            seen.extend(signal.getsignal(number) for number in STOP_SIGNALS)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(number) for number in STOP_SIGNALS]


def run_script(body):
    script = (
        f"import threading, time\nfrom channels.stop_signals import end_process_within\n{body}\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False
    )


def test_a_process_that_cannot_end_is_ended_with_its_output():
    done = run_script(
        "threading.Thread(target=time.sleep, args=[60]).start()\n"
        "print('written', end='')\n"
        "end_process_within(0.1, 7)"
    )
    assert (done.returncode, done.stdout) == (7, "written")


def test_a_process_that_can_end_does_so_by_itself():
    done = run_script("end_process_within(15, 7)")
    assert done.returncode == 0
