"""`python -m millrace_platform.probe`: exit with 0 if the service in this container is healthy, else with 1.

Over TLS without verifying the certificate: its names aren't this machine's address, and nothing leaves the machine.
"""

import os
import ssl
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final

PATH: Final = "/healthz"
SECONDS: Final = 4.0


def main() -> None:
    """Request `PATH` on `MILLRACE_LISTEN_PORT`."""
    port = int(os.environ.get("MILLRACE_LISTEN_PORT", "8000"))
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    if os.environ.get("MILLRACE_TLS_CERTIFICATE"):
        unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        connection = HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=unverified)
    try:
        connection.request("GET", PATH)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.exit(f"{PATH} does not respond: {error}")
    if status != HTTPStatus.OK:
        sys.exit(f"{PATH} responds with {status}")


if __name__ == "__main__":
    main()
