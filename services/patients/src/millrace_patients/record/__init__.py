"""Records, encrypted with their patient's key: common parts of profiles, dependants and insurance cards."""
