"""Time that passes when a test says so."""


class Clock:
    """Seconds, for layers that take a ``clock``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def pass_time(self, seconds: float) -> None:
        self.now += seconds
