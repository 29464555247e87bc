"""Faults under load: what is sent meanwhile arrives once and in order, or is reported as missed.

Processes of their own (:mod:`tests.faults.worker`) send numbered messages to each other's members
all the time; a test does something to a server, a connection or a process; at the end every number
is accounted for (:mod:`tests.faults.account`).
"""
