"""A stand-in of the AWS command line for scripts: secrets are files in a directory, calls are logged there."""

import json
import os
import sys
from pathlib import Path

STATE = Path(os.environ.get("STATE", "."))
SERVICES = ("directory", "scheduling", "patients", "reviews", "search", "notifications", "refinery", "projector")


def answer(words: list[str]) -> str:
    """Return the output of a command; exit with an error text as AWS's program does."""

    def option(name: str) -> str:
        return words[words.index(name) + 1]

    match words[:2]:
        case ["secretsmanager", "get-secret-value"]:
            secret = secret_file(STATE, option("--secret-id"))
            if not secret.exists():
                sys.exit("Secrets Manager can't find the specified secret value for staging label: AWSCURRENT")
            return secret.read_text()
        case ["secretsmanager", "put-secret-value"]:
            value = Path(option("--secret-string").removeprefix("file://")).read_text()
            secret_file(STATE, option("--secret-id")).write_text(value)
            return "{}"
        case ["cloudformation", "list-exports"]:
            return "cluster"
        case ["ecs", "list-services"]:
            return "\t".join(f"arn:aws:ecs:us-east-1:000000000000:service/cluster/{each}" for each in SERVICES)
        case ["ecs", "update-service"]:
            return "{}"
        case ["ecs", "wait"]:
            if (STATE / f"unstable-{option('--services')}").exists():
                sys.exit("Waiter ServicesStable failed: Max attempts exceeded")
            return ""
    sys.exit(f"unknown command: {words}")


def secret_file(state: Path, identifier: str) -> Path:
    """Return the file with the value of a secret."""
    return state / identifier.replace("/", "+")


if __name__ == "__main__":
    with (STATE / "calls").open("a") as log:
        print(json.dumps(sys.argv[1:]), file=log)
    print(answer(sys.argv[1:]))
