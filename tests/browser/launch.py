"""How Chromium is started."""

FLAGS = [
    # Chromium refuses its sandbox to root, which is who runs tests in a container.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
