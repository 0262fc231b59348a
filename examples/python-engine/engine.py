"""
An engine's side of the wire in Python: docs/wire.md in one file, with nothing but ZeroMQ and SQLite.

It stands for a matching engine. The part to take over is Outbox and Wire; the "engine" at the end makes deposits for a
few users, as many as it is asked for.

    python3 engine.py --stream main --outbox outbox.db --events 1000 \
        --endpoint tcp://127.0.0.1:5557 --control tcp://127.0.0.1:5558

It prints one JSON line when it listens, and one when everything is settled. Then it ends. Started again with the same
outbox it goes on where it was.
"""
import argparse
import json
import re
import sqlite3
import sys
import time

import zmq

TOPIC = b"settlement"
PAGE = 256
CONTROL_BYTES_MAX = 4 * 1024
INT64_MAX = 2**63 - 1


class Outbox:
    """Numbered messages on disk. What is committed survives the process and, with synchronous=FULL, the machine's power."""

    def __init__(self, path, stream, grace_seconds=3600.0):
        self.grace_seconds = grace_seconds
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("CREATE TABLE IF NOT EXISTS event (sequence INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        self.db.execute("CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value)")
        self.db.execute("CREATE TABLE IF NOT EXISTS mark (up_to INTEGER PRIMARY KEY, at REAL NOT NULL)")
        owner = self._fact("stream", None)
        if owner is None:
            self._set("stream", stream)
        elif owner != stream:
            raise SystemExit(f"the outbox {path} is stream {owner}'s, not {stream}'s")
        self.last = self.db.execute("SELECT max(sequence) FROM event").fetchone()[0] or 0
        self.settled_up_to = self._fact("settled", 0)
        self.lease = self._fact("lease", 0)

    def _fact(self, name, otherwise):
        row = self.db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return otherwise if row is None else row[0]

    def _set(self, name, value):
        self.db.execute("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)", (name, value))

    @property
    def oldest(self):
        return self.db.execute("SELECT min(sequence) FROM event").fetchone()[0] or self.last + 1

    def append(self, messages):
        """Appends messages, made of their numbers, with one sync for all. Only then may they be sent."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            for offset, message in enumerate(messages, start=1):
                self.db.execute("INSERT INTO event VALUES (?, ?)", (self.last + offset, message(self.last + offset)))
            self.db.execute("COMMIT")
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.last += len(messages)

    def read(self, sequence):
        """The next messages from a number on."""
        return self.db.execute(
            "SELECT sequence, data FROM event WHERE sequence >= ? ORDER BY sequence LIMIT ?", (sequence, PAGE)
        ).fetchall()

    def settle(self, up_to):
        """Everything up to a number is settled. It goes when its time is over, but never the event at the watermark."""
        if up_to <= self.settled_up_to:
            return
        now = time.time()
        self.settled_up_to = up_to
        self._set("settled", up_to)
        newest = self.db.execute("SELECT max(at) FROM mark").fetchone()[0]
        if newest is None or now - newest > self.grace_seconds / 64:
            self.db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", (up_to, now))
        expired = self.db.execute(
            "SELECT max(up_to) FROM mark WHERE at <= ?", (now - self.grace_seconds,)
        ).fetchone()[0]
        if expired is not None:
            end = min(expired + 1, self.settled_up_to)
            self.db.execute("DELETE FROM event WHERE sequence < ?", (end,))
            self.db.execute("DELETE FROM mark WHERE up_to <= ?", (expired,))

    def see(self, lease):
        """False for the message of an ingest that was replaced."""
        if lease < self.lease:
            return False
        if lease > self.lease:
            self._set("lease", lease)
            self.lease = lease
        return True


class Wire:
    """The two sockets. What PUSH has taken means nothing: an ingest asks for the place from which it goes on."""

    def __init__(self, outbox, stream, endpoint, control):
        self.outbox = outbox
        self.stream = stream
        context = zmq.Context.instance()
        self.push = context.socket(zmq.PUSH)
        self.push.setsockopt(zmq.IMMEDIATE, 1)  # queue for connections that are there, for no other
        self.push.setsockopt(zmq.LINGER, 0)  # what is queued stands in the outbox
        self.push.setsockopt(zmq.SNDHWM, 1000)
        self.router = context.socket(zmq.ROUTER)
        self.router.setsockopt(zmq.LINGER, 200)
        self.router.setsockopt(zmq.MAXMSGSIZE, CONTROL_BYTES_MAX)
        for socket in (self.push, self.router):
            socket.setsockopt(zmq.TCP_KEEPALIVE, 1)  # not ZMTP heartbeats: a peer under pressure does not answer those
            socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 15)
        self.push.bind(endpoint)
        self.router.bind(control)
        self.cursor = max(outbox.oldest, outbox.settled_up_to + 1)
        self.page = []
        self.twice_below, self.again = 0, False
        self.resumes = 0

    def turn(self, timeout_ms):
        """Hears what ingests say, and sends as much as is taken."""
        wants_to_send = self.cursor <= self.outbox.last
        poller = zmq.Poller()
        poller.register(self.router, zmq.POLLIN)
        if wants_to_send:
            poller.register(self.push, zmq.POLLOUT)
        ready = dict(poller.poll(timeout_ms))
        if self.router in ready:
            self.hear(*self.router.recv_multipart())
        if self.push in ready:
            self.send()

    def send(self):
        if not self.page or self.page[0][0] != self.cursor:
            self.page = self.outbox.read(self.cursor)
        while self.page:
            sequence, data = self.page[0]
            try:
                self.push.send_multipart([TOPIC, data], flags=zmq.DONTWAIT)
            except zmq.Again:
                return
            # PUSH gives messages to its peers in turn, one of which may be an ingest that was stopped: the first two of an
            # answer go twice, or the same ones might go there each time.
            self.again = sequence < self.twice_below and not self.again
            if self.again:
                continue
            self.page.pop(0)
            self.cursor = sequence + 1

    def hear(self, peer, *frames):
        message = parse_control(frames)
        if message is None or message["stream"] != self.stream:
            print(f"ignored: {frames}", file=sys.stderr)
            return
        if not self.outbox.see(message["lease"]):
            print(f"ignored, of an older lease than {self.outbox.lease}: {frames}", file=sys.stderr)
            self.router.send_multipart([peer, b'{"type":"old-lease","lease":%d}' % self.outbox.lease])
            return
        if message["type"] == "settled":
            if message["upTo"] <= self.outbox.last:  # more was never published here
                self.outbox.settle(message["upTo"])
            return
        self.resumes += 1
        start, oldest = message["from"], self.outbox.oldest
        if start < oldest:
            self.router.send_multipart([peer, b'{"type":"unavailable","oldest":%d}' % oldest])
            return
        # An ingest asks from what it has received, or from 1. One that knows more than was ever published is sent all there
        # is, so that it can compare.
        self.cursor = start if start <= max(self.outbox.last, 1) else oldest
        self.page = []
        self.twice_below, self.again = self.cursor + 2, False


def parse_control(frames):
    """The fields of a resume or settled message, or None. Python's integers are exact, its JSON keeps them so."""
    if len(frames) != 1:
        return None
    try:
        message = json.loads(frames[0], object_pairs_hook=fields_once)
    except (ValueError, RecursionError):
        return None
    number = {"resume": "from", "settled": "upTo"}.get(message.get("type") if isinstance(message, dict) else None)
    if number is None or not re.fullmatch("[a-z0-9-]{1,40}", str(message.get("stream"))):
        return None
    least = {"from": 1, "upTo": 0, "lease": 1}
    for name in (number, "lease"):
        value = message.get(name)
        if type(value) is not int or not least[name] <= value <= INT64_MAX:
            return None
    return message


def fields_once(pairs):
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key stands twice")
    return fields


def deposit(users, versions):
    """The next deposit of this "engine": the JSON of its message, as soon as its number is known."""

    def message(sequence):
        user = 1 + sequence % users
        version = versions.get(user, 0)
        versions[user] = version + 1
        return json.dumps(
            {
                "user_id": 9_007_199_254_740_993 + user,  # beyond what a double holds
                "sequence_id": sequence,
                "event_type": "DEPOSIT",
                "amount": 1000 + sequence,
                "currency": 1,
                "related_id": 0,
                "created_at": 1_795_356_055_368 + sequence,
                "version": version,
            },
            separators=(",", ":"),
        ).encode()

    return message


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--stream", default="main")
    options.add_argument("--outbox", required=True)
    options.add_argument("--endpoint", default="tcp://127.0.0.1:5557")
    options.add_argument("--control", default="tcp://127.0.0.1:5558")
    options.add_argument("--events", type=int, default=1000)
    options.add_argument("--users", type=int, default=20)
    options.add_argument("--wait-seconds", type=float, default=60)
    given = options.parse_args()
    outbox = Outbox(given.outbox, given.stream)
    wire = Wire(outbox, given.stream, given.endpoint, given.control)
    address = lambda socket: socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
    print(json.dumps({"endpoint": address(wire.push), "control": address(wire.router), "last": outbox.last}), flush=True)
    versions = {}
    for sequence in range(1, outbox.last + 1):  # an engine has a book; this one counts again
        user = 1 + sequence % given.users
        versions[user] = versions.get(user, 0) + 1
    known, deadline = -1, 0.0
    while outbox.settled_up_to < given.events:
        if outbox.last < given.events:
            count = min(50, given.events - outbox.last)
            outbox.append([deposit(given.users, versions)] * count)
        wire.turn(timeout_ms=0 if outbox.last < given.events else 50)
        if outbox.settled_up_to > known:
            known, deadline = outbox.settled_up_to, time.monotonic() + given.wait_seconds
        elif time.monotonic() > deadline:
            raise SystemExit(f"{known} of {outbox.last} events are known to be settled, and nothing more was for long")
    print(json.dumps({"settledUpTo": outbox.settled_up_to, "last": outbox.last, "resumes": wire.resumes}), flush=True)


if __name__ == "__main__":
    main()
