"""The program weave: click declarations and nothing else."""
