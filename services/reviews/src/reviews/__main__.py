"""`python -m reviews`."""

from millrace_platform.serve import serve

if __name__ == "__main__":
    serve("reviews.main:create")
