"""Endpoints for operators; the load balancer doesn't publish their path."""

from fastapi import APIRouter, Request

from millrace_projector.status import ProjectorStatus, StatusReader

router = APIRouter(prefix="/internal/projector", tags=["internal"])


@router.get("/status")
async def get_projector_status(request: Request) -> ProjectorStatus:
    """Get the status of this projector worker.

    Returns positions, lag, rates, dead letters and freshness of this worker; generation and size of the read model.
    """
    reader: StatusReader = request.app.state.status
    return await reader.read()
