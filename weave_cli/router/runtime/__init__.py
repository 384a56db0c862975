"""The thin coat of I/O around the router's pure rooms."""
