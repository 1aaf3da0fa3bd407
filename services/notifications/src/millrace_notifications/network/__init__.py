"""HTTP requests to URLs that practices configured, guarded against server-side request forgery."""
