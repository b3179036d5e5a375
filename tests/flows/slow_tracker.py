"""A cost tracker that answers when the test lets it: what happens to a run happens while it waits for usage."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

GIVE_UP_SECONDS = 240


class SlowTracker:
    """Its address, whether it was asked, and the gate that its answer waits behind."""

    def __init__(self, export: Path) -> None:
        self.asked, self.gate = Event(), Event()
        tracker = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tracker.asked.set()
                tracker.gate.wait(GIVE_UP_SECONDS)
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.end_headers()
                    self.wfile.write(export.read_bytes())
                except OSError:
                    return  # Whoever asked is gone, as the test wanted.

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/export"

    @contextmanager
    def serving(self) -> Iterator["SlowTracker"]:
        """Answer for the time of the block."""
        thread = Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.gate.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()
