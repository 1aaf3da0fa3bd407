"""The edge's own pages: landing page, health, and the documentation of all services."""

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from millrace_local.edge.openapi import union
from millrace_local.servers import package_directory
from millrace_platform.errors import Unavailable
from millrace_platform.headers import page_headers
from millrace_platform.problems import install_problem_handlers

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=3.0)
ASSETS = "/docs/assets"
OWN_PATHS = frozenset({"/", "/docs", "/openapi.json", "/healthz", "/readyz"})
LANDING = Path(__file__).with_name("landing.html")


def is_own(path: str) -> bool:
    """Return whether the edge serves `path` itself."""
    return path in OWN_PATHS or path.startswith(f"{ASSETS}/")


class Services:
    """Sends requests to all services concurrently. `upstreams` are their base URLs by name."""

    def __init__(self, upstreams: Mapping[str, str], session: aiohttp.ClientSession) -> None:
        self._upstreams = upstreams
        self._session = session

    async def not_ready(self) -> list[str]:
        """Return the names of the services that aren't ready."""
        ready = await self._get("/readyz")
        return [name for name in self._upstreams if name not in ready]

    async def documents(self) -> dict[str, dict[str, Any]]:
        """Return the OpenAPI documents of the available services, by name."""
        return {name: json.loads(body) for name, body in (await self._get("/openapi.json")).items()}

    async def _get(self, path: str) -> dict[str, bytes]:
        """Return the bodies of the services' responses to GET by name, without those that aren't 200."""
        bodies = await asyncio.gather(*(self._get_body(url + path) for url in self._upstreams.values()))
        return {name: body for name, body in zip(self._upstreams, bodies, strict=True) if body is not None}

    async def _get_body(self, url: str) -> bytes | None:
        try:
            async with self._session.get(url, timeout=REQUEST_TIMEOUT) as response:
                return await response.read() if response.status == HTTPStatus.OK else None
        except (aiohttp.ClientError, TimeoutError):
            return None


def create_pages(services: Services, ready_file: Path | None) -> FastAPI:
    """Create the application with the edge's own pages. While `ready_file` is missing, `/healthz` returns 503."""
    pages = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    install_problem_handlers(pages)

    @pages.get("/", response_class=HTMLResponse)
    async def landing() -> HTMLResponse:
        return landing_page

    @pages.get("/healthz")
    @pages.get("/readyz")
    async def health() -> JSONResponse:
        if ready_file is not None and not await asyncio.to_thread(ready_file.exists):
            raise Unavailable("The platform is starting. Try again later.")
        if missing := await services.not_ready():
            raise Unavailable(f"These services are not ready: {', '.join(missing)}. Try again later.")
        return JSONResponse({"status": "ready"})

    @pages.get("/openapi.json")
    async def document() -> JSONResponse:
        return JSONResponse(union(await services.documents()))

    @pages.get("/docs")
    async def documentation() -> HTMLResponse:
        return documentation_page

    landing_page = _page(LANDING.read_text())
    documentation_page = _page(_documentation(), styles_itself=True)
    pages.mount(ASSETS, _Assets(directory=package_directory("fastapi_offline") / "static"))
    return pages


class _Assets(StaticFiles):
    """Files that a browser stores, and loads again only if they changed."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _page(html: str, *, styles_itself: bool = False) -> HTMLResponse:
    return HTMLResponse(html, headers=page_headers(html, styles_itself=styles_itself))


def _documentation() -> str:
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Millrace",
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon.png",
        swagger_ui_parameters={"docExpansion": "list", "defaultModelsExpandDepth": 0},
    )
    return bytes(page.body).decode()
