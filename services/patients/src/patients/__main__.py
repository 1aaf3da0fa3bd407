"""`python -m patients`."""

from millrace_platform.serve import serve

if __name__ == "__main__":
    serve("patients.main:create")
