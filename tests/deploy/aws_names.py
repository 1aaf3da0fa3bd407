"""AWS host names on loopback: a CONNECT proxy that terminates TLS and forwards each request to an emulator.

Copilot is built on an AWS SDK that knows no `AWS_ENDPOINT_URL`, but it does obey `HTTPS_PROXY` and `AWS_CA_BUNDLE`. The
emulator has no StackSets and no metadata of templates; the proxy responds to Copilot's calls about these.
"""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HEAD_END = b"\r\n\r\n"
SECONDS = 60.0
DOMAINS = ("*.amazonaws.com", "*.us-east-1.amazonaws.com", "*.s3.us-east-1.amazonaws.com", "*.s3.amazonaws.com")
NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"


@dataclass(frozen=True, slots=True)
class Application:
    """The parts of a Copilot application that the emulator doesn't support: a stack set and metadata of templates.

    `stack_set` and `template` are the set's name and template, `stack_id` is the stack of its only instance. `metadata`
    is that of each stack's template, as YAML.
    """

    stack_set: str
    template: str
    stack_id: str
    metadata: Mapping[str, str]
    account: str = "000000000000"
    region: str = "us-east-1"

    def respond(self, action: str, stack: str) -> str | None:
        """Return the XML response to a CloudFormation call, or None for calls that the emulator supports."""
        match action:
            case "DescribeStackSet":
                body = (
                    f"<StackSet><StackSetName>{self.stack_set}</StackSetName><StackSetId>{self.stack_set}:1</StackSetId>"
                    f"<Status>ACTIVE</Status><TemplateBody>{escape(self.template)}</TemplateBody></StackSet>"
                )
            case "ListStackInstances":
                body = (
                    f"<Summaries><member><StackSetId>{self.stack_set}:1</StackSetId><StackId>{self.stack_id}</StackId>"
                    f"<Account>{self.account}</Account><Region>{self.region}</Region><Status>CURRENT</Status>"
                    "</member></Summaries>"
                )
            case "GetTemplateSummary" if stack in self.metadata:
                body = f"<Metadata>{escape(self.metadata[stack])}</Metadata>"
            case _:
                return None
        return f'<{action}Response xmlns="{NAMESPACE}"><{action}Result>{body}</{action}Result></{action}Response>'


@dataclass
class Proxy:
    """A running proxy: its port, the certificate that clients must trust, and the calls that the emulator refused."""

    port: int
    certificate: Path
    refused: list[str] = field(default_factory=list)

    @property
    def variables(self) -> Mapping[str, str]:
        """Return the environment variables with which an AWS client uses the proxy."""
        return {"HTTPS_PROXY": f"http://127.0.0.1:{self.port}", "AWS_CA_BUNDLE": str(self.certificate)}


@contextmanager
def aws_names(directory: Path, emulator_port: int, application: Application) -> Iterator[Proxy]:
    """Run the proxy in front of the emulator during the block; write its key and certificate to `directory`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = make_certificate(directory)
    context.load_cert_chain(certificate, key)
    proxy = Proxy(0, certificate)
    with listening(_Connections(context, emulator_port, application, proxy).serve) as proxy.port:
        yield proxy


@contextmanager
def listening(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> Iterator[int]:
    """Call `serve` in another thread for each connection to a free loopback port; yield the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(serve, "127.0.0.1", 0), loop).result(SECONDS)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for AWS's host names and its key; return both files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "AWS on loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain) for domain in DOMAINS]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "aws.pem", directory / "aws.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.write_bytes(key.private_bytes(*form))
    return certificate_file, key_file


class _Connections:
    def __init__(self, context: ssl.SSLContext, emulator_port: int, application: Application, proxy: Proxy) -> None:
        self._context = context
        self._port = emulator_port
        self._application = application
        self._proxy = proxy

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection: a CONNECT, one request and its response."""
        try:
            async with asyncio.timeout(SECONDS):
                await reader.readuntil(HEAD_END)
                writer.write(b"HTTP/1.1 200 Connection established" + HEAD_END)
                await writer.drain()
                await writer.start_tls(self._context)
                writer.write(await self._respond(await _request(reader)))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the client disconnected, or will see that we did
        finally:
            writer.close()

    async def _respond(self, request: tuple[list[str], bytes]) -> bytes:
        lines, body = request
        called = parse_qs(body.decode("utf-8", "replace"))
        action, stack = called.get("Action", [""])[0], called.get("StackName", [""])[0]
        if (result := self._application.respond(action, stack)) is not None:
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(result.encode())}\r\nContent-Type: text/xml"
            return head.encode() + HEAD_END + result.encode()
        response = await self._forward(lines, body)
        if b" 200 " not in response[:15]:
            self._proxy.refused.append(f"{action or lines[0]}: {response.partition(HEAD_END)[2][:300]!r}")
        return response

    async def _forward(self, lines: list[str], body: bytes) -> bytes:
        forwarded = [line for line in lines if not line.lower().startswith("connection:")]
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write("\r\n".join([*forwarded, "Connection: close"]).encode("latin-1") + HEAD_END + body)
        await writer.drain()
        try:
            return await reader.read()
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> tuple[list[str], bytes]:
    """Return the lines of a request's head, and its body."""
    head = (await reader.readuntil(HEAD_END)).decode("latin-1")
    lines = [line for line in head.split("\r\n") if line]
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return lines, await reader.readexactly(int(headers.get("content-length", "0")))
