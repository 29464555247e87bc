"""How many examples, and always the same ones: a run in CI finds what a run at a desk finds."""

from hypothesis import HealthCheck, Phase, settings

# No database, because it would replay what another run had found; no deadline, because a busy
# machine is no fault; no explain phase, because it traces every line; one bug at a time, so that a
# failure is shown before the suite's timeout.
_COMMON = settings(
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    phases=(Phase.explicit, Phase.generate, Phase.target, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow],
)

VALUES = settings(_COMMON, max_examples=200)
"""For a test of one call or of a short list of steps."""

MACHINE = settings(_COMMON, max_examples=60, stateful_step_count=50)
"""For a state machine over pure code."""

LAYER = settings(_COMMON, max_examples=300, stateful_step_count=60)
"""For the state machine over the in-memory layer, which has the most to find."""
