"""`python -m notifications`."""

from millrace_platform.serve import serve

if __name__ == "__main__":
    serve("notifications.main:create")
