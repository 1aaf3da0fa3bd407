"""Paths of deployment files, and names of services and environments."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
COPILOT = REPOSITORY / "copilot"
ECS = REPOSITORY / "ecs"
COMPOSE = REPOSITORY / "compose.yaml"
DOCKERFILE = REPOSITORY / "services" / "Dockerfile"
BALANCER = REPOSITORY / "compose" / "nginx.conf"

APP = "millrace"
ENVIRONMENTS = ("dev", "staging", "prod")
REGION = "us-east-1"
ACCOUNT = "000000000000"
DOMAIN = "api.millrace.example"

HTTP_SERVICES = ("directory", "scheduling", "patients", "reviews", "search", "notifications")
STREAM_SERVICES = ("refinery", "projector")
SERVICES = (*HTTP_SERVICES, *STREAM_SERVICES)
