"""System checks: each mistake by itself, and none of them on a project that is right."""

import subprocess
import sys

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.checks.registry import registry

from channels import checks
from channels.apps import ChannelsConfig
from channels.layers import BaseChannelLayer, InMemoryChannelLayer

IN_MEMORY = "channels.layers.InMemoryChannelLayer"


async def application(scope, receive, send):
    """What ASGI_APPLICATION names in these tests."""


not_callable = "a string"


class Picky(BaseChannelLayer):
    """A backend with opinions."""

    def __init__(self, hosts=()):
        if not hosts:
            raise ValueError("give me hosts")


class Subclass(InMemoryChannelLayer):
    """In memory as well."""


@pytest.fixture
def site(settings, monkeypatch):
    """A project without a mistake."""
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    settings.DEBUG = False
    settings.ASGI_APPLICATION = f"{__name__}.application"
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": f"{__name__}.Picky", "CONFIG": {"hosts": ["one"]}}
    }
    return settings


def found(deploy=False):
    """What all checks of Django find of ours, by id."""
    messages = run_checks(include_deployment_checks=deploy)
    return {m.id: m for m in messages if m.id.startswith("channels.")}


def only(identifier, deploy=False):
    messages = found(deploy)
    assert list(messages) == [identifier]
    return messages[identifier]


@pytest.mark.parametrize("deploy", [False, True])
def test_a_project_that_is_right_has_no_messages(site, deploy):
    assert found(deploy) == {}


def test_the_app_registers_them_and_doing_it_twice_changes_nothing():
    config = apps.get_app_config("channels")
    assert type(config) is ChannelsConfig
    assert config.verbose_name == "Channels"
    before = set(registry.registered_checks), set(registry.deployment_checks)
    assert checks.check_distributions in before[0]
    config.ready()
    assert (set(registry.registered_checks), set(registry.deployment_checks)) == before


# E001


@pytest.fixture
def distributions(monkeypatch, tmp_path):
    """Install distributions, as far as their metadata goes."""

    def install(**versions):
        for name, version in versions.items():
            folder = tmp_path / f"{name}-{version}.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            )
        # In front of nothing: what is really installed must not count.
        monkeypatch.setattr(sys, "path", [str(tmp_path)])

    return install


def test_both_distributions_are_an_error_with_the_cure_for_pip_and_uv(distributions):
    distributions(channels="4.3.2", raceway="0.1.0")
    (error,) = checks.check_distributions()
    assert error.id == "channels.E001"
    assert error.is_serious()
    assert "channels 4.3.2 and raceway 0.1.0" in error.msg
    assert "pip uninstall -y channels && pip install --force-reinstall" in error.hint
    assert "override-dependencies = [\"channels ; python_version < '3'\"]" in error.hint
    assert "uv sync --reinstall-package raceway" in error.hint


@pytest.mark.parametrize(
    "installed", [{}, {"channels": "4.3.2"}, {"raceway": "0.1.0"}, {"channels_redis": "4.3.0"}]
)
def test_one_of_them_is_none_of_our_business(distributions, installed):
    distributions(**installed)
    assert checks.check_distributions() == []


def test_damaged_metadata_counts_as_installed(monkeypatch):
    def version(name):
        if name == "channels":
            raise KeyError("Version")
        return "0.1.0"

    monkeypatch.setattr(checks.metadata, "version", version)
    (error,) = checks.check_distributions()
    assert "channels (unknown version)" in error.msg


# W001


@pytest.mark.parametrize(
    ("order", "warned"),
    [
        (["channels", "django.contrib.staticfiles"], False),
        (["django.contrib.staticfiles", "channels"], True),
        (["daphne", "django.contrib.staticfiles", "channels"], False),
        (["django.contrib.staticfiles", "daphne", "channels"], True),
        (["channels"], False),
    ],
)
def test_channels_stands_before_staticfiles(site, monkeypatch, order, warned):
    class App:
        def __init__(self, name):
            self.name = name

    monkeypatch.setattr(checks.apps, "get_app_configs", lambda: [App(name) for name in order])
    messages = checks.check_app_order()
    assert [m.id for m in messages] == (["channels.W001"] if warned else [])
    if warned:
        assert 'Move "channels" above "django.contrib.staticfiles"' in messages[0].hint
        site.ASGI_APPLICATION = None
        assert checks.check_app_order() == []


# ASGI_APPLICATION


@pytest.mark.parametrize("setting", [None, ""])
def test_a_missing_application_is_a_warning(site, setting):
    site.ASGI_APPLICATION = setting
    warning = only("channels.W002", deploy=True)
    assert not warning.is_serious()
    assert 'ASGI_APPLICATION = "mysite.asgi.application"' in warning.hint


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("application", "it is not a dotted path"),
        (["a.b"], "it is not a dotted path"),
        ("nowhere_at_all.application", "there is no module 'nowhere_at_all'"),
        ("tests.urls.application", "the module 'tests.urls' has no 'application'"),
        (f"{__name__}.aplication", f"the module {__name__!r} has no 'aplication'"),
    ],
)
@pytest.mark.parametrize("deploy", [False, True])
def test_an_application_that_is_not_there_is_an_error(site, setting, text, deploy):
    site.ASGI_APPLICATION = setting
    error = only("channels.E002", deploy)
    assert error.is_serious()
    assert repr(setting) in error.msg
    assert text in error.msg
    assert "mysite.asgi.application" in error.hint


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("raise RuntimeError('no luck')\napplication = 1", "RuntimeError('no luck')"),
        ("import nowhere_at_all as application", "No module named 'nowhere_at_all'"),
        ("raise SystemExit(3)\napplication = 1", "SystemExit(3)"),
        ("application = 'text'", "it is 'text', which cannot be called"),
    ],
)
def test_with_deploy_the_application_is_imported(site, tmp_path, monkeypatch, source, text):
    (tmp_path / "asgi_of_test.py").write_text(source + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    site.ASGI_APPLICATION = "asgi_of_test.application"
    try:
        assert found() == {}
        assert "asgi_of_test" not in sys.modules
        assert text in only("channels.E002", deploy=True).msg
    finally:
        sys.modules.pop("asgi_of_test", None)


# CHANNEL_LAYERS


@pytest.mark.parametrize(
    ("layers", "texts"),
    [
        ("text", ["CHANNEL_LAYERS is 'text', which is not a dictionary"]),
        ({"default": IN_MEMORY}, [f"CHANNEL_LAYERS['default'] is {IN_MEMORY!r}"]),
        ({"default": {}}, ["CHANNEL_LAYERS['default'] has no 'BACKEND'"]),
        ({"default": {"BACKEND": "nowhere.Layer"}}, ["No module named 'nowhere'"]),
        ({"default": {"BACKEND": "tests.urls.Layer"}}, ["'tests.urls.Layer'"]),
        ({"default": {"BACKEND": None}}, ["['BACKEND'] is None"]),
        ({"default": {"BACKEND": IN_MEMORY, "CONFIG": ["x"]}}, ["['CONFIG'] is ['x']"]),
        ({"default": {"BACKEND": IN_MEMORY, "TEST_CONFIG": 1}}, ["['TEST_CONFIG'] is 1"]),
        (
            {"default": {"BACKEND": IN_MEMORY, "CONFIG": {"hosts": []}}},
            ["refuses CHANNEL_LAYERS['default']['CONFIG']", "unexpected keyword argument 'hosts'"],
        ),
        ({"default": {"BACKEND": f"{__name__}.Picky"}}, ["ValueError('give me hosts')"]),
        ({"default": {"BACKEND": f"{__name__}.not_callable"}}, ["refuses"]),
    ],
)
def test_a_bad_layer_is_an_error(site, layers, texts):
    site.CHANNEL_LAYERS = layers
    error = only("channels.E003")
    assert error.is_serious()
    assert error.hint
    for text in texts:
        assert text in error.msg


def test_every_bad_entry_is_named(site):
    site.CHANNEL_LAYERS = {"one": {}, "two": {"BACKEND": f"{__name__}.Picky"}, "three": 3}
    aliases = [m.msg for m in checks.check_channel_layers()]
    assert len(aliases) == 3
    assert all(
        f"'{alias}'" in text for alias, text in zip(site.CHANNEL_LAYERS, aliases, strict=True)
    )


def test_no_layers_are_no_mistake(site):
    site.CHANNEL_LAYERS = {}
    assert found(deploy=True) == {}
    del site.CHANNEL_LAYERS
    assert found(deploy=True) == {}


# CHANNELS


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"SYNC_THREDS": 4}, "'SYNC_THREDS'"),
        ({"SYNC_THREADS": 0}, "CHANNELS['SYNC_THREADS'] is 0"),
        ([], "CHANNELS is []"),
    ],
)
def test_settings_of_ours_that_are_not_understood(site, setting, text):
    site.CHANNELS = setting
    error = only("channels.E004")
    assert text in error.msg
    assert error.hint


# Deploys


@pytest.mark.parametrize(
    ("seconds", "deadline", "room"), [(30, 25, "23"), (9, 10, "8"), (2, 2, "1.5")]
)
def test_a_drain_that_is_longer_than_its_deadline_lets_it_be(site, seconds, deadline, room):
    site.CHANNELS = {"DRAIN_SECONDS": seconds, "DRAIN_DEADLINE_SECONDS": deadline}
    warning = only("channels.W006")
    assert f"is {seconds}, but within DRAIN_DEADLINE_SECONDS of {deadline}" in warning.msg
    assert f"there are {room} seconds for it" in warning.msg


@pytest.mark.parametrize(
    "channels",
    [
        {},
        {"DRAIN_SECONDS": 8, "DRAIN_DEADLINE_SECONDS": 10},
        {"DRAIN_SECONDS": 600, "DRAIN_DEADLINE_SECONDS": None},
        {"DRAIN_SECONDS": 0, "DRAIN_DEADLINE_SECONDS": 0.1},
    ],
)
def test_a_drain_that_fits(site, channels):
    site.CHANNELS = channels
    assert found() == {}


# The in-memory layer in production


@pytest.mark.parametrize("backend", [IN_MEMORY, f"{__name__}.Subclass"])
@pytest.mark.parametrize(
    ("environment", "debug", "normal", "deploy"),
    [
        (None, False, [], ["channels.W004"]),
        ("", False, [], ["channels.W004"]),
        ("many", False, [], ["channels.W004"]),
        ("1", False, [], []),
        ("4", False, ["channels.W003"], ["channels.W003"]),
        (" 2 ", False, ["channels.W003"], ["channels.W003"]),
        ("4", True, [], []),
    ],
)
def test_the_in_memory_layer_with_several_workers(
    site, monkeypatch, backend, environment, debug, normal, deploy
):
    if environment is not None:
        monkeypatch.setenv("WEB_CONCURRENCY", environment)
    site.DEBUG = debug
    site.CHANNEL_LAYERS["shared"] = {"BACKEND": backend}
    assert list(found()) == normal
    messages = found(deploy=True)
    assert list(messages) == deploy
    for message in messages.values():
        assert "CHANNEL_LAYERS['shared']" in message.msg
        assert "Redis" in message.hint
        assert not message.is_serious()


def test_layers_that_are_broken_are_not_taken_for_in_memory(site, monkeypatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    for layers in ("text", {"a": 1, "b": {}, "c": {"BACKEND": f"{__name__}.not_callable"}}):
        site.CHANNEL_LAYERS = layers
        assert checks.check_workers() == []
        assert checks.check_deployed_layers() == []


def test_manage_py_check_shows_them(site):
    """From the outside: a project with the mistake, and Django's own command."""
    script = (
        "from django.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['django.contrib.staticfiles', 'channels'],\n"
        "    STATIC_URL='s/', ASGI_APPLICATION='os.nothing')\n"
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('check')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "(channels.W001)" in done.stderr
    assert "(channels.E002) ASGI_APPLICATION is 'os.nothing'" in done.stderr
