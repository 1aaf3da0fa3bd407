"""Rate limits of password attempts and account emails."""
