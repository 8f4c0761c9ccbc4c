"""A gRPC client without a proxy: makes calls on a target and prints, as JSON, who answered how often.

    grpc_client.py xds:///echo.default.svc.cluster.local:7070 CALLS [key:value …]

One line of standard input starts one round of calls; each round prints one line. GRPC_XDS_BOOTSTRAP
names the bootstrap file.
"""
import collections
import json
import sys

import grpc

target, calls, *headers = sys.argv[1:]
metadata = [tuple(header.split(":", 1)) for header in headers]

with grpc.insecure_channel(target) as channel:
    call = channel.unary_unary("/mesh.test.Echo/Call")
    for _ in sys.stdin:
        answers = collections.Counter()
        for _ in range(int(calls)):
            try:
                answers[call(b"", metadata=metadata, timeout=20, wait_for_ready=True).decode()] += 1
            except grpc.RpcError as error:
                answers[f"{error.code().name}: {error.details()}"] += 1
        print(json.dumps(answers), flush=True)
