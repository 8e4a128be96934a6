# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host's side of the agent's serial line, against a guest of a few lines that can misbehave."""
import base64
import contextlib
import pathlib
import socket
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import guest_exec  # noqa: E402


@contextlib.contextmanager
def agent(path, serve):
    """A socket at PATH; SERVE(lines, send) plays the guest for each connection, in a thread of its own. At the end all of them have ended."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(4)
    threads = []

    def start(target, *args):
        threads.append(threading.Thread(target=target, args=args, daemon=True))
        threads[-1].start()

    def talk(conn):
        with contextlib.suppress(OSError), conn, conn.makefile("r") as lines:
            serve(lines, lambda text: conn.sendall(text.encode()))

    def loop():
        with contextlib.suppress(OSError):
            while True:
                start(talk, server.accept()[0])

    start(loop)
    try:
        yield str(path)
    finally:
        server.shutdown(socket.SHUT_RDWR)       # close() alone does not end accept()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        server.close()


def requests(lines):
    for line in lines:
        words = line.split()
        if words[:1] == ["@run"]:
            yield words[1], base64.b64decode(words[4]).decode()


def b64(data):
    return base64.encodebytes(data).decode()


def answer(ident, out=b"", err=b"", status="0", sizes=None):
    sizes = sizes or (len(out), len(err))
    return f"\n@begin {ident}\n@out\n{b64(out)}@err\n{b64(err)}@end {ident} {status} {sizes[0]} {sizes[1]}\n"


def test_output_and_status_come_back(tmp_path):
    def serve(lines, send):
        for ident, command in requests(lines):
            send("noise\n" + answer(ident, command.encode() * 1000, b"\0\xff", "7"))

    with agent(tmp_path / "s", serve) as path:
        got = guest_exec.run(path, "echo ä", 5)
    assert got == (7, "echo ä".encode() * 1000, b"\0\xff")


def running(tmp_path, *more):
    """What it gives while a guest runs a command that says '=here', and then sends MORE."""
    def serve(lines, send):
        for ident, _ in requests(lines):
            send(f"\n@begin {ident}\nnoise\n=here\n")
            for text in more:
                send(text.replace("ID", ident))

    stack = contextlib.ExitStack()
    return stack, guest_exec.running(stack.enter_context(agent(tmp_path / "s", serve)), "x", 1)


def test_a_command_speaks_while_it_runs(tmp_path):
    stack, command = running(tmp_path, "=there\n@out\n@err\n@end ID 0 0 0\n")
    with stack, command as said:
        said("=here")
        said("=there")


@pytest.mark.parametrize("end, error", [("@out\n@err\n@end ID 0 0 0\n", "before it said '=there'"), ("\n@boot 1\n", "before it said '=there'")])
def test_one_that_ends_before_it_has_spoken(end, error, tmp_path):
    stack, command = running(tmp_path, end)
    with stack, pytest.raises(guest_exec.GuestError, match=error), command as said:
        said("=here")
        said("=there")


@pytest.mark.parametrize("end, kind, error", [("@out\n@err\n" + b64(b"no") + "@end ID 3 0 2\n", guest_exec.GuestError, "x: no"),
                                              ("@out\n@err\n@end ID late 0 0\n", guest_exec.GuestTimeout, "killed after 1 seconds")])
def test_one_that_fails_after_it_has_spoken(end, kind, error, tmp_path):
    stack, command = running(tmp_path, end)
    with stack, pytest.raises(kind, match=error), command as said:
        said("=here")


def test_a_request_is_repeated_until_it_is_taken(tmp_path):
    seen = []

    def serve(lines, send):
        for ident, _ in requests(lines):
            seen.append(ident)
            if len(seen) == 1:
                send("\n@boot 1234\n")      # the guest came up: what was sent before is lost
            elif len(seen) == 3:
                send(answer(ident))

    with agent(tmp_path / "s", serve) as path:
        assert guest_exec.run(path, "true", 10).status == 0
    assert len(seen) == 3 and len(set(seen)) == 1


def test_a_guest_that_starts_is_not_flooded(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(guest_exec, "RESEND", 0.02)

    def serve(lines, send):
        time.sleep(1)               # it starts, and then reads what came
        for ident, _ in requests(lines):
            seen.append(ident)
            if len(seen) == 1:      # nobody takes another answer
                send(answer(ident))

    with agent(tmp_path / "s", serve) as path:
        assert guest_exec.run(path, "true", 10).status == 0
    # After 0, 0.02, 0.06, 0.14, 0.3, 0.62 s, and one more.
    assert len(seen) <= 7


def test_the_end_of_an_earlier_command_is_not_taken_for_ours(tmp_path):
    def serve(lines, send):
        for ident, _ in requests(lines):
            send("@out\naGVsbG8=\n@err\n@end 00000000 9 5 0\n" + answer(ident, b"mine"))

    with agent(tmp_path / "s", serve) as path:
        assert guest_exec.run(path, "true", 5) == (0, b"mine", b"")


@pytest.mark.parametrize("reply, error, says", [
    (lambda i: answer(i, b"abc", sizes=(4, 0)), guest_exec.GuestError, "length is wrong"),
    (lambda i: f"@begin {i}\n@out\n!!!!\n@err\n@end {i} 0 3 0\n", guest_exec.GuestError, "damaged"),
    (lambda i: f"@begin {i}\n@boot 99\n", guest_exec.GuestError, "restarted while it ran"),
    (lambda i: answer(i, status="late"), guest_exec.GuestTimeout, "killed after"),
], ids=["short", "damaged", "restart", "late"])
def test_errors_are_reported(tmp_path, reply, error, says):
    def serve(lines, send):
        for ident, _ in requests(lines):
            send(reply(ident))

    with agent(tmp_path / "s", serve) as path, pytest.raises(error, match=says):
        guest_exec.run(path, "true", 3)


def test_a_guest_that_never_answers(tmp_path):
    with agent(tmp_path / "s", lambda lines, send: list(lines)) as path, pytest.raises(guest_exec.GuestTimeout, match="is the guest up"):
        guest_exec.run(path, "true", 0.3)


def test_a_guest_that_goes_away(tmp_path):
    with agent(tmp_path / "s", lambda lines, send: lines.readline()) as path, pytest.raises(guest_exec.GuestError):
        guest_exec.run(path, "true", 3)


def test_no_guest(tmp_path):
    with pytest.raises(guest_exec.GuestError, match="no guest behind"):
        guest_exec.run(str(tmp_path / "none"), "true", 1)


def test_a_command_too_long_for_the_line(tmp_path):
    with agent(tmp_path / "s", lambda lines, send: None) as path, pytest.raises(guest_exec.GuestError, match="too long"):
        guest_exec.run(path, "x" * 20000, 1)


def test_concurrent_callers_take_turns(tmp_path):
    running, most = [], []

    def serve(lines, send):
        for ident, _ in requests(lines):
            running.append(ident)
            most.append(len(running))
            time.sleep(0.05)        # another one would be here meanwhile
            send(answer(ident, ident.encode()))
            running.remove(ident)

    with agent(tmp_path / "s", serve) as path:
        threads = [threading.Thread(target=guest_exec.run, args=(path, "true", 10)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(most) == 6 and max(most) == 1


@pytest.mark.parametrize("words, line", [(["cat /x | wc"], "cat /x | wc"), (["echo", "a b", "$c"], "echo 'a b' '$c'")])
def test_one_word_is_a_shell_line_and_several_are_exact(words, line):
    assert guest_exec.command_line(words) == line
