"""weaveDNS's data and answers, sans I/O."""
