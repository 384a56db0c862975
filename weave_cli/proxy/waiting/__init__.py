"""The little program that stands before a container's own until the container is on the network."""
