"""The process of a `Wiretap`: stands between clients and a server, and counts what passes.

    python wiretap_process.py PORT TARGET_PORT DELAY_SECONDS

It needs nothing but Python, and a process of its own: libpq waits for a result with the
GIL held, so a thread of the client's process could never bring it one.
"""

from __future__ import annotations

import collections
import contextlib
import json
import queue
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator

HOST = "127.0.0.1"
CHUNK = 1 << 16

ASK, FORGET = 0x7A70_0001, 0x7A70_0002
"""Start-up codes that no client of PostgreSQL has: hand out the counts; begin anew."""
SSL, GSS, CANCEL = 80877103, 80877104, 80877102


class Tally:
    """What has passed since the last `forget`, over all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        with self._lock:
            self.trips = 0
            self.answers: collections.Counter[str] = collections.Counter()
            self.sent: list[tuple[str, str]] = []

    def trip(self) -> None:
        with self._lock:
            self.trips += 1

    def client(self, kind: bytes, body: bytes) -> None:
        with self._lock:
            self.sent.append((kind.decode("latin-1"), body.hex()))

    def server(self, kind: bytes, body: bytes) -> None:  # noqa: ARG002  # as `client`
        with self._lock:
            self.answers[kind.decode("latin-1")] += 1

    def document(self) -> bytes:
        with self._lock:
            said = {"trips": self.trips, "answers": self.answers, "sent": self.sent}
            return json.dumps(said).encode()


class Messages:
    """Cuts a stream of one direction into messages: type and body."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, chunk: bytes) -> Iterator[tuple[bytes, bytes]]:
        data, at = self._rest + chunk, 0
        while len(data) >= at + 5:
            end = at + 1 + struct.unpack_from("!i", data, at + 1)[0]
            if len(data) < end:
                break
            yield data[at : at + 1], data[at + 5 : end]
            at = end
        self._rest = data[at:]


class Pair:
    """One client and its server connection.

    A round trip is what the client sends until the server has something to say. Each
    direction is noted before it is passed on, so whoever got an answer finds it counted.
    """

    def __init__(self, client: socket.socket, server: socket.socket, tally: Tally) -> None:
        self.client, self.server, self.tally = client, server, tally
        self._lock = threading.Lock()
        self._client_spoke = False
        self._questions, self._answers = Messages(), Messages()

    def question(self, chunk: bytes) -> None:
        with self._lock:
            self._client_spoke = True
        for kind, body in self._questions.cut(chunk):
            self.tally.client(kind, body)

    def answer(self, chunk: bytes) -> None:
        with self._lock:
            is_trip, self._client_spoke = self._client_spoke, False
        if is_trip:
            self.tally.trip()
        for kind, body in self._answers.cut(chunk):
            self.tally.server(kind, body)

    def run(self, delay: float) -> None:
        late: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        threads = [
            threading.Thread(target=self._questions_in, args=(late, delay), daemon=True),
            threading.Thread(target=self._questions_out, args=(late,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        self._pass_answers()
        for thread in threads:
            thread.join()
        self.client.close()
        self.server.close()

    def _questions_in(self, late: queue.SimpleQueue[tuple[float, bytes]], delay: float) -> None:
        while True:
            chunk = receive(self.client)
            self.question(chunk)
            if delay or not chunk:
                late.put((time.monotonic() + delay, chunk))
            else:
                send(self.server, chunk)
            if not chunk:
                return

    def _questions_out(self, late: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        while True:
            due, chunk = late.get()
            # The delay is the whole of a round trip: answers are passed on at once.
            time.sleep(max(0.0, due - time.monotonic()))
            if not chunk:
                shut(self.server)
                return
            send(self.server, chunk)

    def _pass_answers(self) -> None:
        while chunk := receive(self.server):
            self.answer(chunk)
            send(self.client, chunk)
        shut(self.client)


def receive(end: socket.socket) -> bytes:
    """What came; nothing once the other side has gone."""
    try:
        return end.recv(CHUNK)
    except OSError:
        return b""


def send(end: socket.socket, chunk: bytes) -> None:
    """Pass on; whoever has gone is told by the other direction."""
    with contextlib.suppress(OSError):
        end.sendall(chunk)


def shut(end: socket.socket) -> None:
    """Say that nothing more comes, and wake who waits for it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def exactly(end: socket.socket, count: int) -> bytes:
    """So many bytes; fewer if the other side goes."""
    data = b""
    while len(data) < count and (chunk := end.recv(count - len(data))):
        data += chunk
    return data


def first_packet(client: socket.socket) -> tuple[int, bytes]:
    """The code of the start-up packet, and the packet; no encryption is on offer here."""
    while True:
        head = exactly(client, 8)
        if len(head) < 8:
            return 0, b""
        length, code = struct.unpack("!ii", head)
        if code not in (SSL, GSS):
            return code, head + exactly(client, length - 8)
        client.sendall(b"N")


def serve(client: socket.socket, target: int, delay: float, tally: Tally) -> None:
    """One client, from its first packet to its end."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    code, packet = first_packet(client)
    if code == FORGET:
        tally.forget()
    if code in (ASK, FORGET):
        client.sendall(tally.document())
    if code in (0, ASK, FORGET):
        client.close()
        return
    server = socket.create_connection((HOST, target))
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.sendall(packet)
    if code == CANCEL:
        receive(server)  # the server closes when it has passed the request on
        server.close()
        client.close()
        return
    Pair(client, server, tally).run(delay)


def main() -> None:
    """Listen until the process is ended."""
    port, target, delay = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    tally = Tally()
    with socket.create_server((HOST, port)) as listener:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, target, delay, tally), daemon=True).start()


if __name__ == "__main__":
    main()
