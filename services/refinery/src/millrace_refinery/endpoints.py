"""What the refinery shows to those who run it. Its path is not open to the world at the load balancer."""

from fastapi import APIRouter, Request

from millrace_refinery.status import RefineryStatus, Status

router = APIRouter(prefix="/internal/refinery", tags=["internal"])


@router.get("/status")
async def read_status(request: Request) -> RefineryStatus:
    """Positions, lag, rates, outcomes, gaps, dead letters and freshness of this worker."""
    status: Status = request.app.state.status
    return status.read()
