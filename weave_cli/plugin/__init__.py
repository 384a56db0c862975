"""The program weaveplugin: Docker's network and address drivers."""
