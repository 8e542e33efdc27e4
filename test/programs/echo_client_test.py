#!/usr/bin/python3
"""Tries bench/net's echo_client on good servers and on wrong ones: its figures are believed because it checks each byte.

usage: echo_client_test.py ECHO_CLIENT
"""

import json
import socket
import subprocess
import sys
import threading

SIZE = 64
ROUNDS = 20  # messages on each connection
CONNECTIONS = 3


def good(connection, _):
    while data := connection.recv(4096):
        connection.sendall(data)


def one_byte_at_a_time(connection, _):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(7):
        for byte in data:
            connection.sendall(bytes([byte]))


def wrong_byte(connection, index):
    count = 0
    while data := connection.recv(SIZE, socket.MSG_WAITALL):
        count += 1
        last = data[-1] ^ (1 if (index, count) == (1, ROUNDS) else 0)
        connection.sendall(data[:-1] + bytes([last]))


def swapped(connection, _):
    first = connection.recv(SIZE, socket.MSG_WAITALL)
    second = connection.recv(SIZE, socket.MSG_WAITALL)
    connection.sendall(second + first)
    good(connection, 0)


def other_connection(connection, index, lock=threading.Lock(), seen=[]):
    data = connection.recv(SIZE, socket.MSG_WAITALL)
    with lock:
        seen.append(data)
        connection.sendall(seen[0])  # the first one's message to everybody
    good(connection, index)


def doubled(connection, index):
    data = connection.recv(SIZE, socket.MSG_WAITALL)
    connection.sendall(data + data)
    good(connection, index)


def one_too_many(connection, index):
    good(connection, index)
    connection.sendall(bytes(SIZE))


def early_end(connection, _):
    connection.sendall(connection.recv(SIZE, socket.MSG_WAITALL))


def silent(connection, index):
    if index == 1:
        while connection.recv(4096):
            pass
    good(connection, index)


def no_end(connection, index, kept=[]):
    kept.append(connection.dup())
    good(connection, index)


def serve(listener, behave):
    def run(connection, index):
        with connection:
            try:
                behave(connection, index)
            except OSError:
                pass  # the client has gone, as it should

    index = 0
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # the listener was shut down
        threading.Thread(target=run, args=(connection, index), daemon=True).start()
        index += 1


def try_client(program, behave, outstanding):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=serve, args=(listener, behave), daemon=True).start()
        plan = ["--port", listener.getsockname()[1], "--connections", CONNECTIONS, "--outstanding", outstanding]
        command = [program, *map(str, plan), "--messages", str(ROUNDS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        listener.shutdown(socket.SHUT_RDWR)
    return done


def main():
    program, failures = sys.argv[1], 0
    for behave, told, under_way in (
        (good, None, (1, 4)),
        (one_byte_at_a_time, None, (1, 4)),
        (wrong_byte, f"connection 1, message {ROUNDS - 1}: other bytes came back", (1, 4)),
        (swapped, "message 0: other bytes came back", (4,)),
        (other_connection, "message 0: other bytes came back", (1, 4)),
        (doubled, "connection ", (1, 4)),  # as an answer to nothing or as the wrong bytes, by what is under way
        (one_too_many, "an answer to nothing", (1, 4)),
        (early_end, "connection ", (1, 4)),  # closed or reset, by what is under way
        (silent, "no answer for 5 s", (1,)),
        (no_end, "no end of the stream", (1,)),
    ):
        for outstanding in under_way:
            done = try_client(program, behave, outstanding)
            if told is None:
                right = done.returncode == 0 and json.loads(done.stdout)["ops"] == ROUNDS * CONNECTIONS
            else:
                right = done.returncode == 1 and told in done.stderr and done.stdout == ""
            if not right:
                failures += 1
                print(f"FAILED: {behave.__name__}, {outstanding} outstanding: {done}")
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
