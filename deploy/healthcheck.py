"""Ends with 1 where Skein is not well, by `/livez` or the path given. No HTTP_PORT, nobody to ask: 0."""

import http.client
import os
import sys

TIMEOUT_SECONDS = 4


def is_well(host: str, port: int, path: str) -> bool:
    """Ask over this machine, whatever proxy is set."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        sys.stdout.write(answer.read(10_000).decode("utf-8", "replace") + "\n")
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"{type(error).__name__}: {error}\n")
        return False
    return answer.status == http.client.OK


if __name__ == "__main__":
    port = int(os.environ.get("HTTP_PORT") or 0)
    host = os.environ.get("HTTP_HOST") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- told by the setting
    path = sys.argv[1] if len(sys.argv) > 1 else "/livez"
    sys.exit(not (port == 0 or is_well(host, port, path)))
