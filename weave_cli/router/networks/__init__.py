"""What routers of ours tell each other about isolated networks. Sans-I/O; Go routers pass it on unread."""
