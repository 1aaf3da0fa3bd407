"""The edge's own pages: landing page, health, and the documentation of all services."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from millrace_local.edge.openapi import union
from millrace_local.servers import package_directory

ASK_TIMEOUT = aiohttp.ClientTimeout(total=3.0)
ASSETS = "/docs/assets"
OWN_PATHS = frozenset({"/", "/docs", "/openapi.json", "/healthz", "/readyz"})
LANDING = Path(__file__).with_name("landing.html")


def is_own(path: str) -> bool:
    """Return whether the edge serves `path` itself."""
    return path in OWN_PATHS or path.startswith(f"{ASSETS}/")


class Services:
    """Requests to all services concurrently. `upstreams` are their base URLs by name."""

    def __init__(self, upstreams: Mapping[str, str], session: aiohttp.ClientSession) -> None:
        self._upstreams = upstreams
        self._session = session

    async def not_ready(self) -> list[str]:
        """Return the services that aren't ready."""
        answers = await asyncio.gather(*map(self._is_ready, self._upstreams.values()))
        return [name for name, ready in zip(self._upstreams, answers, strict=True) if not ready]

    async def documents(self) -> dict[str, dict[str, Any]]:
        """Return the OpenAPI documents of the available services, by name."""
        answers = await asyncio.gather(*map(self._document, self._upstreams.values()))
        return {name: answer for name, answer in zip(self._upstreams, answers, strict=True) if answer is not None}

    async def _is_ready(self, base_url: str) -> bool:
        try:
            async with self._session.get(f"{base_url}/readyz", timeout=ASK_TIMEOUT) as response:
                return response.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _document(self, base_url: str) -> dict[str, Any] | None:
        try:
            async with self._session.get(f"{base_url}/openapi.json", timeout=ASK_TIMEOUT) as response:
                if response.status != HTTPStatus.OK:
                    return None
                document: dict[str, Any] = await response.json()
                return document
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None


def create_pages(services: Services, ready_file: Path | None) -> FastAPI:
    """Create the edge's own pages. While `ready_file` is missing, the platform is still starting."""
    pages = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @pages.get("/", response_class=HTMLResponse)
    async def landing() -> HTMLResponse:
        return HTMLResponse(landing_page)

    @pages.get("/healthz")
    @pages.get("/readyz")
    async def health() -> JSONResponse:
        if ready_file is not None and not await asyncio.to_thread(ready_file.exists):
            return _not_ready("the platform is starting")
        if missing := await services.not_ready():
            return _not_ready(f"not ready: {', '.join(missing)}")
        return JSONResponse({"status": "ready"})

    @pages.get("/openapi.json")
    async def document() -> JSONResponse:
        return JSONResponse(union(await services.documents()))

    @pages.get("/docs")
    async def documentation() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Millrace",
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
            swagger_ui_parameters={"docExpansion": "list", "defaultModelsExpandDepth": 0},
        )

    landing_page = LANDING.read_text()
    pages.mount(ASSETS, StaticFiles(directory=package_directory("fastapi_offline") / "static"))
    return pages


def _not_ready(detail: str) -> JSONResponse:
    problem = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": detail}
    return JSONResponse(problem, 503, {"Retry-After": "1"}, "application/problem+json")
