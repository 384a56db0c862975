"""The router's HTTP API."""
