"""Endpoints for operators; the load balancer doesn't publish their path."""

from fastapi import APIRouter, Request

from millrace_refinery.status import RefineryStatus, StatusReader

router = APIRouter(prefix="/internal/refinery", tags=["internal"])


@router.get("/status")
async def get_refinery_status(request: Request) -> RefineryStatus:
    """Get the status of this refinery worker.

    Positions, lag, rates, outcomes, gaps, dead letters and freshness of this worker.
    """
    reader: StatusReader = request.app.state.status
    return reader.read()
