"""What the proxy changes in calls of Docker's API, and the work that goes with it."""
