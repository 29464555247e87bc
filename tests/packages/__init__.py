"""Published packages that build on Channels, run on Raceway in an environment of their own."""
