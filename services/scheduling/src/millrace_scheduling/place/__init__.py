"""Where providers see patients: this service's own copy of provider-locations."""
