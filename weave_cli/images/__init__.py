"""The image that our containers run in, made from the running installation."""
