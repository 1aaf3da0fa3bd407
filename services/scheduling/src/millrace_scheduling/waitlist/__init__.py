"""The waitlist: patients who wait in line for time at a provider-location, and the offers made to them."""
