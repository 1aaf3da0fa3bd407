"""`python -m scheduling`."""

from millrace_platform.serve import serve

if __name__ == "__main__":
    serve("scheduling.main:create")
