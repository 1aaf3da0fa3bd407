"""Second factors: one-time codes of an app (TOTP), and recovery codes."""
