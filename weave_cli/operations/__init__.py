"""What a command does, as plain functions over the doors."""
