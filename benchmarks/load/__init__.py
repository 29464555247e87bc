"""Drives a server with WebSocket clients that cost little: picows, compiled, on uvloop."""
