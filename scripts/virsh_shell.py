# SPDX-License-Identifier: LGPL-2.1-or-later
"""One virsh that stays, for many commands: on an emulated host, starting a program costs more than the command."""

import os
import selectors
import subprocess
import time

ASK = 'echo "hvb: end" "of output"'      # virsh repeats each line that it reads, so what it is told differs from what it says
END = "hvb: end of output"
PROMPT = "virsh # "


class VirshShell:
    """An interactive virsh, for as long as its daemon runs."""

    def __init__(self, virsh):
        self.virsh = subprocess.Popen([virsh, "-q"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.selector = selectors.DefaultSelector()
        for stream in (self.virsh.stdout, self.virsh.stderr):
            os.set_blocking(stream.fileno(), False)
            self.selector.register(stream, selectors.EVENT_READ)

    def close(self):
        """Ends it."""
        self.selector.close()
        self.virsh.kill()
        self.virsh.communicate()

    @staticmethod
    def quoted(word):
        """As virsh's parser takes it."""
        return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def run(self, words, seconds):
        """A command's (output, errors). Raises subprocess.TimeoutExpired, and OSError when virsh is gone."""
        line = " ".join(map(self.quoted, words))
        self.virsh.stdin.write(f"{line}\n{ASK}\n".encode())
        self.virsh.stdin.flush()
        got = {self.virsh.stdout: b"", self.virsh.stderr: b""}
        deadline = time.monotonic() + seconds
        while END.encode() not in got[self.virsh.stdout]:
            ready = self.selector.select(max(0, deadline - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(line, seconds)
            for key, _ in ready:
                data = key.fileobj.read()
                if data == b"":
                    raise ConnectionError(f"virsh is gone: {got[self.virsh.stderr].decode(errors='replace')}")
                got[key.fileobj] += data or b""
        got[self.virsh.stderr] += self.virsh.stderr.read() or b""
        out, err = (got[stream].decode(errors="replace") for stream in (self.virsh.stdout, self.virsh.stderr))
        return out.partition(line + "\n")[2].rpartition(ASK)[0].removesuffix(PROMPT), err
