"""Facts of this host, of Docker and of the router, one file for each category. Reads only."""
