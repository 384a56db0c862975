"""The door to Docker, through its SDK."""
