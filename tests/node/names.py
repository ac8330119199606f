"""The names of Services for pods: a small DNS server that asks the API server who there is.

``python -m tests.node.names KUBECONFIG`` answers ``<service>.<namespace>.svc.cluster.local`` with
an A record, over UDP and TCP, and says of every other name that there is none. CoreDNS does more
than pods here need, and would have to be built as well.
"""

import json
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import urllib3

from tests.cluster.api import Api, RefusedError
from tests.node.place import ADDRESS

POLL_S = 0.5
LIFETIME_S = 5
HEADER = struct.Struct(">HHHHHH")
RECORD = struct.Struct(">HHHIH4s")
QUESTION_END = struct.Struct(">HH")
LENGTH = struct.Struct(">H")
A, IN = 1, 1
ANSWER, NO_SUCH_NAME, RECURSION_DESIRED = 0x8580, 3, 0x0100
NAME_OF_QUESTION = 0xC00C
DOMAIN = "svc.cluster.local"

Zone = Mapping[str, IPv4Address]


def zone_of(services: list[Any]) -> dict[str, IPv4Address]:
    """Return the address of each Service that has one, by its full name."""
    found = {}
    for one in services:
        address = one["spec"].get("clusterIP", "None")
        if address not in {"", "None"}:
            name = f"{one['metadata']['name']}.{one['metadata']['namespace']}.{DOMAIN}"
            found[name] = IPv4Address(address)
    return found


def answer(query: bytes, zone: Zone) -> bytes:
    """Return the answer to a query of one question (RFC 1035 section 4)."""
    number, flags, *_ = HEADER.unpack_from(query)
    name, end = name_at(query, HEADER.size)
    kind, _ = QUESTION_END.unpack_from(query, end)
    question = query[HEADER.size : end + QUESTION_END.size]
    address = zone.get(name.lower())
    records = b""
    if address and kind == A:
        records = RECORD.pack(NAME_OF_QUESTION, A, IN, LIFETIME_S, 4, address.packed)
    code = 0 if address else NO_SUCH_NAME
    head = HEADER.pack(
        number, ANSWER | flags & RECURSION_DESIRED | code, 1, 1 if records else 0, 0, 0
    )
    return head + question + records


def name_at(message: bytes, position: int) -> tuple[str, int]:
    """Return the name that begins there, and where it ends."""
    labels = []
    while length := message[position]:
        labels.append(message[position + 1 : position + 1 + length].decode("ascii", "replace"))
        position += length + 1
    return ".".join(labels), position + 1


class Names:
    """What is known, and both servers that tell it."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.zone: Zone = {}

    def poll(self) -> None:
        """Ask for the Services, for ever; while nobody answers, what is known stays."""
        while True:
            try:
                self.zone = zone_of(self._api.get("api/v1/services")["items"])
            except (urllib3.exceptions.HTTPError, RefusedError) as error:
                sys.stderr.write(f"{error}\n")
            time.sleep(POLL_S)

    def serve(self) -> None:
        """Answer, for ever."""
        names = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                query, socket = self.request
                socket.sendto(answer(query, names.zone), self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while head := self.rfile.read(LENGTH.size):
                    reply = answer(self.rfile.read(*LENGTH.unpack(head)), names.zone)
                    self.wfile.write(LENGTH.pack(len(reply)) + reply)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        streams = socketserver.ThreadingTCPServer((ADDRESS, 53), Stream)
        datagrams = socketserver.ThreadingUDPServer((ADDRESS, 53), Datagram)
        for one in (self.poll, streams.serve_forever):
            threading.Thread(target=one, daemon=True).start()
        datagrams.serve_forever()


def reach(kubeconfig: Path) -> Api:
    """Return the API server that a file of :func:`tests.cluster.control_plane.kubeconfig` names."""
    read = json.loads(kubeconfig.read_text())
    cluster = read["clusters"][0]["cluster"]
    token = read["users"][0]["user"]["token"]
    return Api(cluster["server"], token, Path(cluster["certificate-authority"]))


if __name__ == "__main__":
    Names(reach(Path(sys.argv[1]))).serve()
