"""The sleeve process: a child of the router through which all frames go that Python must carry."""
