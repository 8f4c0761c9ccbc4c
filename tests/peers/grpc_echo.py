"""A gRPC server that answers every call with its version. Prints `ready` once it listens.

    grpc_echo.py ADDRESS VERSION
"""
import sys
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    def __init__(self, version):
        self.version = version.encode()

    def service(self, call):
        def answer(request, context):
            if request == b"fail":
                context.abort(grpc.StatusCode.UNAVAILABLE, "asked to fail")
            return self.version

        return grpc.unary_unary_rpc_method_handler(answer) if call.method == "/mesh.test.Echo/Call" else None


address, version = sys.argv[1:]
server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Echo(version)])
if server.add_insecure_port(address) == 0:
    sys.exit(f"cannot listen on {address}")
server.start()
print("ready", flush=True)
sys.stdin.read()  # until the test closes the pipe
server.stop(None)
