"""The letters of accounts, which `patients` keeps until they are sent."""
