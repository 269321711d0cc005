"""A camera that wants a password: `camera.py ADDRESS PORT PASSWORD` serves pictures as MJPEG."""

import base64
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import numpy as np
from PIL import Image

PERIOD_S = 0.05
USER = "viewer"


def picture() -> bytes:
    """One part of the stream."""
    jpeg = BytesIO()
    grey = int(time.monotonic() * 100) % 256
    Image.fromarray(np.full((24, 32, 3), grey, np.uint8)).save(jpeg, "JPEG")
    content = jpeg.getvalue()
    head = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(content)
    return head + content + b"\r\n"


class Camera(BaseHTTPRequestHandler):
    """Whoever has the password is shown what it sees."""

    password = ""

    def do_GET(self) -> None:
        wanted = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        while True:
            self.wfile.write(picture())
            time.sleep(PERIOD_S)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: neither addresses nor passwords."""


if __name__ == "__main__":
    Camera.password = sys.argv[3]
    server = ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Camera)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()
