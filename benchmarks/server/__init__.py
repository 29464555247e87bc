"""Runs a side's applications under uvicorn."""
