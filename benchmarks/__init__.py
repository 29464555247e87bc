"""How fast: ours beside upstream and beside the bare floor, in one run. ``make bench``.

The harness itself needs nothing but the standard library. Whatever is measured runs in a process of
its own, in the environment of its side, and is asked for slices of work over stdin and stdout:

- ``apps``: the measured applications, the same code for ours and upstream, and as bare ASGI;
- ``worker``: runs them in-process, over a wire that is the same for all;
- ``server``: runs them under uvicorn, ``load`` drives that with a compiled WebSocket client;
- ``scenarios``, ``rounds``, ``bars``: what is measured, in which order, and what is asked of it;
- ``terminal``, ``report``: the results for people.
"""
