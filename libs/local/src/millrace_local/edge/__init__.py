"""The local load balancer: one listener, path rules, no rewriting."""
