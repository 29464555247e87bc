"""A small site for the lines that need a server or a command: run in processes of its own."""
