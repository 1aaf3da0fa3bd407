"""Descriptions of the endpoints' problem responses for the OpenAPI document."""

from millrace_platform.openapi import problems

LIST = problems(401, 403, 422)
READ = problems(401, 403, 404, 422)
POST = problems(401, 403, 404, 409, 415, 422)
CHANGE = problems(401, 403, 404, 412, 415, 422, 428)
