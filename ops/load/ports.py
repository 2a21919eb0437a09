"""Ports that a server finds again after it was away."""
import random
import socket


def free_port():
    """A port nobody listens on, below those that the kernel hands to whoever connects (32768 and up).

    While its server is away nobody takes it by chance, and a client that tries again and again never meets itself.
    """
    for _ in range(1000):
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe:
            # As servers do: a port whose last connections are still in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")
