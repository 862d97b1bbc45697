#!/usr/bin/env python3
"""Prints so many ports that nobody listens on, one a line: free-ports.py [COUNT]

The system picks them; all are held at once so that none comes twice.
"""
import socket
import sys

held = [socket.socket() for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1)]
for one in held:
    one.bind(("127.0.0.1", 0))
for one in held:
    print(one.getsockname()[1])
