"""`python -m millrace_directory`."""

from millrace_platform.serve import serve

if __name__ == "__main__":
    serve("millrace_directory.main:create")
