"""Dotted paths, judged without an import."""

import sys

import pytest

from channels.dotted_path import fault_without_import


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module of a package ``site_of_test``; nothing of it may stay imported."""
    package = tmp_path / "site_of_test"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name, source):
        (package / f"{name}.py").write_text(source)
        return f"site_of_test.{name}"

    yield write
    for name in [n for n in sys.modules if n.partition(".")[0] == "site_of_test"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "source",
    [
        "application = object()",
        "application: object = object()",
        "def application(): ...",
        "async def application(scope, receive, send): ...",
        "class application: ...",
        "from somewhere import application",
        "from somewhere import it as application",
        "import application",
        "if DEBUG:\n    application = 1\nelse:\n    application = 2",
        "try:\n    from a import application\nexcept ImportError:\n    pass",
        "with thing() as application:\n    pass",
        "def make():\n    global application\n    application = 1\nmake()",
        "from somewhere import *",
        "def __getattr__(name):\n    return 1",
        "globals()['appli' + 'cation'] = 1",
    ],
)
def test_a_module_that_has_or_may_have_the_name(module, source):
    path = module("asgi", source + "\n")
    assert fault_without_import(f"{path}.application") is None
    assert path not in sys.modules


@pytest.mark.parametrize(
    "source",
    [
        "app = object()",
        "print(application)",
        '"""The callable is named ``application``."""',
        "def make():\n    application = 1",
        "class Site:\n    application = 1",
        "",
    ],
)
def test_a_module_that_has_no_such_name(module, source):
    path = module("asgi", source + "\n")
    assert fault_without_import(f"{path}.application") == (
        "the module 'site_of_test.asgi' has no 'application'"
    )
    assert path not in sys.modules


def test_modules_that_are_not_there_or_not_python(module):
    assert fault_without_import("nowhere_at_all.asgi.application") == (
        "there is no module 'nowhere_at_all'"
    )
    module("other", "")
    assert fault_without_import("site_of_test.asgi.application") == (
        "there is no module 'site_of_test.asgi'"
    )
    module("asgi", "\napplication = = 1\n")
    assert fault_without_import("site_of_test.asgi.application") == (
        "the module 'site_of_test.asgi' has a syntax error in line 2"
    )


def test_a_parent_package_that_fails(module, tmp_path):
    (tmp_path / "site_of_test" / "__init__.py").write_text("raise RuntimeError('no luck')")
    fault = fault_without_import("site_of_test.asgi.application")
    assert "site_of_test.asgi" in fault
    assert "RuntimeError('no luck')" in fault


@pytest.mark.parametrize("path", [None, "", "application", ".application", "mysite.", 3, b"a.b"])
def test_what_is_no_dotted_path(path):
    assert fault_without_import(path) == 'it is not a dotted path of the form "module.name"'


def test_a_loaded_module_is_asked_itself():
    assert fault_without_import("os.path.join") is None
    assert fault_without_import("os.no_such_thing") == "the module 'os' has no 'no_such_thing'"


def test_a_module_that_is_being_imported_is_given_the_benefit_of_the_doubt(module):
    path = module(
        "asgi",
        "from channels.dotted_path import fault_without_import\n"
        "seen = fault_without_import('site_of_test.asgi.application')\n"
        "application = 1\n",
    )
    __import__(path)
    assert sys.modules[path].seen is None
