"""What existing applications depend on, one line per test.

The suite uses only the public face of ``channels`` and what other people's code reaches for, so
that the same files run on upstream Channels and on Raceway::

    python -m pytest -c tests/behaviours/pytest.ini tests/behaviours

A test names its line with :func:`~tests.behaviours.lines.behaviour`. Where Raceway differs on
purpose the test says so with :func:`~tests.behaviours.lines.differs` and checks both sides.
"""
