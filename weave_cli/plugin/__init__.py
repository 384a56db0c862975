"""The Docker network plugin: a program of its own, between Docker and the router's HTTP API."""
