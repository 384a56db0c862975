"""The door to the kernel: links, addresses, routes, forwarding entries, firewall, sysctls."""
