"""What a client may do: how much it may send, how often it may connect, how long it may wait."""
