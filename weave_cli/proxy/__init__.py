"""Program weaveproxy: Docker's API once more, where containers are attached to the network as they start."""
