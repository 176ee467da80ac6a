#!/usr/bin/env python3
"""What 200 concurrent readers of the dashboard cost the run that they look at.

    Tests/Browser/load.py [--readers 200] [--pairs 12] [--seconds 5]

A run trains on; phases with readers and without alternate, each with its own steps. Every reader
keeps a connection and asks for the run and its new metrics every 1.5 seconds, as the page does. The
readers share this machine with the run, at a low priority, since in use they are elsewhere. Prints the ratio of step times, readers over none, of each pair and the median.
"""

import argparse
import os
import re
import selectors
import signal
import socket
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dashboard import Job  # noqa: E402


class Reader:
    """A connection that asks in turn for the two things that the page asks for."""

    def __init__(self, port, selector, start):
        self.port = port
        self.selector = selector
        self.socket = None
        self.next = start
        self.paths = []
        self.step = 0
        self.buffer = b""
        self.is_waiting = False

    def connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.socket.setblocking(False)
        self.selector.register(self.socket, selectors.EVENT_READ, self)

    def ask(self):
        if self.socket is None:
            self.connect()
        if not self.paths:
            self.paths = ["", f"/metrics?after={self.step}&points=4000"]
        path = self.paths.pop(0)
        self.is_waiting = True
        self.socket.send(
            f"GET /api/runs/live{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def read(self):
        """Whether a reply is whole."""
        data = self.socket.recv(1 << 20)
        if not data:
            # Who says nothing for ten seconds is closed, as in a phase without readers.
            assert not self.is_waiting, "the dashboard closed a connection that waits"
            self.selector.unregister(self.socket)
            self.socket.close()
            self.socket = None
            return False
        self.buffer += data
        head, split, body = self.buffer.partition(b"\r\n\r\n")
        if not split:
            return False
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        if len(body) < length:
            return False
        assert head.startswith(b"HTTP/1.1 200"), head
        if body.startswith(b'{"columns"'):
            steps = re.search(rb'"step":\[([0-9,]*)\]', body)
            self.step = int(steps[1].rsplit(b",", 1)[-1] or self.step) if steps else self.step
        self.buffer = b""
        self.is_waiting = False
        return True


def read_all(port, count, commands, replies):
    """The readers' process: awake while the last command was to be."""
    os.nice(10)
    selector = selectors.DefaultSelector()
    selector.register(commands, selectors.EVENT_READ, None)
    now = time.time()
    readers = [Reader(port, selector, now + 1.5 * place / count) for place in range(count)]
    is_awake = False
    requests = 0
    while True:
        for key, _ in selector.select(0.01 if is_awake else None):
            if key.data is None:
                command = os.read(commands, 1)
                if command in (b"", b"q"):
                    os.write(replies, f"{requests}\n".encode())
                    return
                is_awake = command == b"1"
                now = time.time()
                for place, reader in enumerate(readers):
                    reader.next = now + 1.5 * place / count
            elif key.data.socket is not None and key.data.read():
                requests += 1
                if key.data.paths:
                    key.data.ask()
        now = time.time()
        for reader in readers:
            if is_awake and not reader.is_waiting and now >= reader.next:
                reader.next = now + 1.5
                reader.ask()


def processor_seconds(job):
    """That the dashboard has taken."""
    with open(f"/proc/{job.dashboard.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def step_end(job):
    """Waits for the end of a step: when it was, and how many are done."""
    path = os.path.join(job.run, "metrics.jsonl")
    size = os.stat(path).st_size
    while os.stat(path).st_size == size:
        time.sleep(0.001)
    return time.time(), len(job.losses())


def step_time(job, seconds):
    """Mean time of a step over a phase, from the end of one step to the end of another."""
    start, first = step_end(job)
    time.sleep(seconds)
    end, last = step_end(job)
    if last - first < 10:
        raise RuntimeError(f"only {last - first} steps in {seconds} s: too few to compare")
    return (end - start) / (last - first), last - first


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    # A rank for each of two processors: more would wait for each other as chance has it.
    job = Job(steps=1_000_000, ranks=2, settings=[
        "layout.data=1", "layout.expert=1", "training.sequence=64"])
    try:
        job.wait(steps=10)
        commands, send = os.pipe()
        receive, replies = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(send)
            try:
                read_all(int(job.url.rsplit(":", 1)[1].strip("/")), arguments.readers, commands,
                         replies)
            except BaseException as error:
                print(f"a reader failed: {error!r}", flush=True)
                os._exit(1)
            os._exit(0)
        ratios = []
        busy = 0.0
        for pair in range(arguments.pairs):
            times = {}
            # The order alternates, so that a drift of the machine favours neither.
            for is_awake in ((True, False) if pair % 2 == 0 else (False, True)):
                os.write(send, b"1" if is_awake else b"0")
                time.sleep(0.5)
                before, start = processor_seconds(job), time.time()
                times[is_awake], steps = step_time(job, arguments.seconds)
                if is_awake:
                    busy += (processor_seconds(job) - before) / (time.time() - start)
            ratios.append(times[True] / times[False])
            print(f"pair {pair + 1:2}: {1e3 * times[False]:.1f} ms a step without readers, "
                  f"{1e3 * times[True]:.1f} ms with, ratio {ratios[-1]:.4f} ({steps} steps)",
                  flush=True)
        os.write(send, b"q")
        requests = int(os.read(receive, 100))
        os.waitpid(child, 0)
        print(f"median ratio {statistics.median(ratios):.4f}, mean {statistics.mean(ratios):.4f} "
              f"± {statistics.stdev(ratios) / len(ratios) ** 0.5:.4f} over {len(ratios)} pairs")
        print(f"{requests} requests by {arguments.readers} readers; with them the dashboard took "
              f"{100 * busy / len(ratios):.2f} % of a processor")
    finally:
        job.close()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    sys.exit(main())
