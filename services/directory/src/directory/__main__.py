"""`python -m directory`."""

from millrace_platform.serve import serve

if __name__ == "__main__":
    serve("directory.main:create")
