"""`python -m millrace_reviews`."""

from millrace_platform.serve import serve

if __name__ == "__main__":
    serve("millrace_reviews.main:create")
