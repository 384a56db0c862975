"""Membership, gossip and routes, sans I/O."""
