"""What the projector shows to those who run it. Its path is not open to the world at the load balancer."""

from fastapi import APIRouter, Request

from millrace_projector.status import ProjectorStatus, Status

router = APIRouter(prefix="/internal/projector", tags=["internal"])


@router.get("/status")
async def read_status(request: Request) -> ProjectorStatus:
    """Positions, lag, rates, dead letters and freshness of this worker; generation and size of the read model."""
    status: Status = request.app.state.status
    return await status.read()
