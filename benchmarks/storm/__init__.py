"""What a deploy does to a crowd of clients that all want to come back: ours beside upstream."""
