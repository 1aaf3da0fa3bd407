"""The local stand-in for the load balancer: one listener, path rules, no rewriting."""
