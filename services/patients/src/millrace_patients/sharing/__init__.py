"""Which practices a patient shares with."""
