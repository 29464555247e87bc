"""Published packages that build on Channels, run on Raceway in an environment of their own."""

import pytest

pytest.register_assert_rewrite("tests.packages.chat")
