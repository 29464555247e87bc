"""The second tutorial: a JSON consumer, step by step."""
