"""What every service starts from: application factory, settings, errors, database, telemetry."""
