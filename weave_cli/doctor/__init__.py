"""What may be wrong with this host and its connections, looked at and judged: `weave doctor`."""
