"""`python -m millrace_scheduling`."""

from millrace_platform.serve import serve

if __name__ == "__main__":
    serve("millrace_scheduling.main:create")
