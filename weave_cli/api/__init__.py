"""The door to the router's HTTP API."""
