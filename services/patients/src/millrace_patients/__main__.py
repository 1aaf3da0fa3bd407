"""`python -m millrace_patients`."""

from millrace_platform.serve import serve

if __name__ == "__main__":
    serve("millrace_patients.main:create")
