"""Trials of the network with containers of our own: `weave connectivity test`."""
