"""Moves the gateways of one inventory file to a run of free ports and prints the first of them."""

import pathlib
import re
import socket
import sys

inventory = pathlib.Path(sys.argv[1])
text = inventory.read_text()
count = len(re.findall(r"port: \d{5}", text))


def free(first):
    """Whether `count` ports from `first` upwards can be bound at once."""
    taken = []
    try:
        for port in range(first, first + count):
            taken.append(socket.create_server(("127.0.0.1", port)))
    except OSError:
        return False
    finally:
        for one in taken:
            one.close()
    return True


first = next((port for port in range(15021, 30000, count) if free(port)), None)
if first is None:
    sys.exit("error: no run of free ports on 127.0.0.1")
ports = iter(range(first, first + count))
inventory.write_text(re.sub(r"port: \d{5}", lambda _: f"port: {next(ports)}", text))
print(first)
