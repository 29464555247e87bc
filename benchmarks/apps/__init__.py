"""The measured applications."""
