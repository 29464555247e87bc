"""Code as users write it, for the type checker alone: mypy reads it, nothing runs it.

What should be a complaint carries the `type: ignore` for it, so that mypy reports the day on which
the complaint goes away.
"""
