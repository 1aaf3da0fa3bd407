"""Descriptions of this service's problems for the OpenAPI document."""

from functools import partial

from millrace_platform.openapi import PROBLEMS, described_problems

problems = partial(
    described_problems,
    {
        **PROBLEMS,
        401: "No valid access token, or wrong credentials.",
        429: "Too many attempts; `Retry-After` gives the seconds to wait.",
    },
)

READ = problems(401, 404, 422)
CREATE = problems(401, 404, 409, 415, 422)
CHANGE = problems(401, 404, 412, 415, 422, 428)
