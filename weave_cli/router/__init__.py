"""The program weaver: mesh, allocator, names and data path."""
