"""A stub resolver that knows a server by its address alone, and learns from it how to ask over
encrypted transports (RFC 9462). Reads what to do as JSON from the first argument and prints
what it found as JSON."""

import json
import sys

import dns.resolver

task = json.loads(sys.argv[1])
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers = [task["address"]]
resolver.port = task["port"]
# It connects to what is announced, and keeps what has a certificate for the address.
resolver.try_ddr(lifetime=20)
found = [str(nameserver) for nameserver in resolver.nameservers]
texts = [str(text) for text in resolver.resolve(task["name"], "TXT")]
print(json.dumps({"nameservers": found, "texts": texts}))
