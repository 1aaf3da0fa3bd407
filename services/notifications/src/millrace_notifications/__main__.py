"""`python -m millrace_notifications`."""

from millrace_platform.serve import serve

if __name__ == "__main__":
    serve("millrace_notifications.main:create")
