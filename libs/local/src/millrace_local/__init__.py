"""The whole platform on one machine: the `millrace` command, its supervisor, the edge and the test servers."""
