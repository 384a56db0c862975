"""The mesh protocol between two routers, sans I/O."""
