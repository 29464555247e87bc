"""A site with a reactpy component, and its tests.

They run in a process of their own: importing reactpy-django changes asyncio for the whole process
(nest_asyncio: tasks in Python, loops that may be entered again).
"""
