"""The edge: HTTP in and out, caller authentication, logs, and the joining of all parts."""
