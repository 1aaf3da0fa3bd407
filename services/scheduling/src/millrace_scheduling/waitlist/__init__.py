"""The waitlist: patients who wait for free time at a provider-location, and the offers made to them."""
