# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon of libvirt's that falls silent: it answers libvirt's remote protocol about one running guest, g, until some question is not answered.

From then on it is like a daemon that is stopped by SIGSTOP: it has the connection, and not even answers whether it is there."""

import socket
import struct
import threading
import uuid

REMOTE, KEEPALIVE = 0x20008086, 0x6b656570
PING, PONG = 1, 2
CALL, REPLY, MESSAGE = 0, 1, 2
OK, ERROR = 0, 1

# of remote_protocol.x
OPEN, XML, LOOKUP, HOSTNAME, FEATURE, AUTH, URI, ACTIVE, LIST, STATS, TELL_CLOSE, NO_CLOSE = 1, 14, 23, 59, 60, 66, 110, 150, 273, 344, 360, 361

DOMAIN = """<domain type='kvm'><name>g</name><maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>4</memory><currentMemory unit='GiB'>2</currentMemory>
<os><type arch='x86_64' machine='pc-q35-10.0'>hvm</type></os><features><acpi/><hyperv><vpindex state='on'/><synic state='on'/></hyperv></features>
<devices><memballoon model='hyperv'><requested unit='GiB'>3</requested></memballoon></devices></domain>"""


def string(text):
    """As XDR has it."""
    data = text.encode()
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


GUEST = string("g") + uuid.UUID(int=7).bytes + struct.pack(">i", 1)
ANSWERS = {
    OPEN: b"",
    AUTH: struct.pack(">II", 1, 0),             # one way to log in: none
    FEATURE: struct.pack(">i", 1),
    HOSTNAME: string("fake"),
    URI: string("qemu:///system"),
    LOOKUP: GUEST,
    LIST: struct.pack(">I", 1) + GUEST + struct.pack(">I", 1),
    XML: string(DOMAIN),
    ACTIVE: struct.pack(">i", 1),
    TELL_CLOSE: b"",
    NO_CLOSE: b"",
}
# "not supported", without any details
UNSUPPORTED = struct.pack(">ii", 3, 20) + struct.pack(">I", 1) + string("the fake daemon has no answer") + struct.pack(">iIIIIiiI", 2, 0, 0, 0, 0, -1, -1, 0)


class Daemon:
    """Listens at PATH. It is silent from the question number COUNT after QUESTION on, or from the beginning without QUESTION. With PINGS it goes on answering
    whether it is there."""

    def __init__(self, path, question=None, count=1, pings=False):
        self.question, self.left, self.pings = question, count, pings
        self.silent = threading.Event()
        if question is None:
            self.silent.set()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen()
        self.folder = path.parent
        self.uri = f"qemu+unix:///system?socket={path}"
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        """Until it is closed."""
        try:
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def serve(self, connection):
        """One client."""
        stream = connection.makefile("rb")
        try:
            while len(head := stream.read(4)) == 4:
                program, version, procedure, kind, serial, _ = struct.unpack(">IIiiIi", stream.read(24))
                stream.read(struct.unpack(">I", head)[0] - 28)
                if program == KEEPALIVE and procedure == PING and (self.pings or not self.silent.is_set()):
                    self.send(connection, (program, version, PONG, MESSAGE, serial, OK), b"")
                elif program == REMOTE and kind == CALL:
                    self.answer(connection, (program, version, procedure, REPLY, serial))
        except OSError:
            pass

    def answer(self, connection, header):
        """A question."""
        procedure = header[2]
        if procedure == self.question:
            self.left -= 1
        if procedure == self.question and self.left == 0:
            self.silent.set()
        if self.silent.is_set():
            return
        known = procedure in ANSWERS
        self.send(connection, (*header, OK if known else ERROR), ANSWERS[procedure] if known else UNSUPPORTED)

    @staticmethod
    def send(connection, header, body):
        """One message."""
        connection.sendall(struct.pack(">IIIiiIi", 28 + len(body), *header) + body)

    def close(self):
        """Its clients lose their connection."""
        for each in [self.listener, *self.connections]:
            each.close()
