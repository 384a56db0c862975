"""The address ring, sans I/O."""
