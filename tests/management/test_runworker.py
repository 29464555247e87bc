"""``manage.py runworker``: what it refuses, and how it ends in a process of its own."""

import signal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from channels.management.commands.runworker import Command
from channels.worker import Worker
from tests.server.process import manage

IN_MEMORY = "channels.layers.InMemoryChannelLayer"


async def application(scope, receive, send):
    """What ASGI_APPLICATION names in these tests."""


@pytest.fixture
def site(settings):
    settings.ASGI_APPLICATION = f"{__name__}.application"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": IN_MEMORY}, "other": {"BACKEND": IN_MEMORY}}
    return settings


class Recorder(Worker):
    """Notes what it was made with instead of working."""

    made = None

    def run(self):
        type(self).made = self


@pytest.fixture
def recorder(monkeypatch):
    monkeypatch.setattr(Command, "worker_class", Recorder)
    return Recorder


def test_it_runs_worker_class_with_the_application_the_layer_and_the_channels(site, recorder):
    from channels.layers import get_channel_layer

    call_command("runworker", "b", "a", "b")
    assert recorder.made.application is application
    assert recorder.made.channels == ["b", "a"]
    assert recorder.made.channel_layer is get_channel_layer("default")

    call_command("runworker", "a", layer="other")
    assert recorder.made.channel_layer is get_channel_layer("other")


def test_it_warns_that_the_in_memory_layer_reaches_no_other_process(site, recorder, capsys):
    call_command("runworker", "a")
    assert "the worker gets nothing that other processes send" in capsys.readouterr().err


def refusal(*arguments, **options):
    with pytest.raises(CommandError) as caught:
        call_command("runworker", *arguments, **options)
    return str(caught.value)


def test_no_layer_at_all(site):
    site.CHANNEL_LAYERS = {}
    text = refusal("a")
    assert text.startswith("You do not have any CHANNEL_LAYERS configured.")
    assert 'CHANNEL_LAYERS = {"default"' in text


def test_an_unknown_alias_names_those_that_exist(site):
    assert refusal("a", layer="typo") == (
        "CHANNEL_LAYERS has no 'typo'. It has 'default', 'other'; choose one with --layer."
    )


def test_a_backend_that_cannot_be_imported(site):
    site.CHANNEL_LAYERS = {"default": {"BACKEND": "nowhere.Layer"}}
    text = refusal("a")
    assert "nowhere.Layer" in text
    assert "No module named 'nowhere'" in text


def test_a_bad_channel_name_says_which_character(site):
    text = refusal("good", "not good")
    assert "'not good' is no channel." in text
    assert "Character 4" in text


def test_no_channel(site):
    assert "the following arguments are required: channels" in refusal()


@pytest.mark.parametrize("setting", [None, "nowhere.application"])
def test_a_missing_application(site, setting):
    site.ASGI_APPLICATION = setting
    text = refusal("a")
    assert "ASGI_APPLICATION" in text
    assert "nowhere" in text or "mysite.asgi.application" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_message_in_hand(number):
    with manage("runworker", "--layer", "filled", "thumbnails") as worker:
        worker.wait_for("handling 1")
        worker.say("")
        worker.wait_for("handling 2")
        worker.send(number)
        worker.say("")
        status, took = worker.end()
    assert status == 0
    assert took < 2
    assert "handled 2" in worker.text
    assert "handling 3" not in worker.text
    # The first message fails, on purpose: the worker goes on, with a log line of its own.
    assert "Exception inside application of channel 'thumbnails': failed on purpose" in worker.text
    assert worker.text.count("Traceback") == 1


def test_ctrl_c_gives_up_a_message_that_keeps_the_worker_from_ending():
    with manage("runworker", "--layer", "filled", "blocking") as worker:
        worker.wait_for("handling 1")
        worker.ctrl_c()
        worker.wait_for(r"ends after 1 message\(s\) in hand")
        worker.ctrl_c()
        status, took = worker.end()
    # The handler sleeps a minute, in a thread.
    assert status == 1
    assert took < 5
