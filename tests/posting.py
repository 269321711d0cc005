"""Asking by HTTP, as a program beside a live system does."""

import http.client


def post(port: int, path: str, body: bytes, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", path, body, names)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode().strip()
    connection.close()
    return found
