"""Ending a process that serves connections, without losing anybody."""

from channels.draining.closing import Drained, drain

__all__ = ["Drained", "drain"]
