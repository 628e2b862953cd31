"""A bare gRPC server that answers each call with so many bytes: what gRPC itself costs in Python.

python echo_server.py BYTES       prints its port, serves until standard input closes
"""

import asyncio
import sys

import grpc

METHOD = "/echo.Echo/Answer"


async def serve(size: int) -> None:
    """Serves until standard input closes."""
    answer = bytes(size)

    async def handle(request: bytes, context: object) -> bytes:
        return answer

    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    handlers = {"Answer": grpc.unary_unary_rpc_method_handler(handle)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo.Echo", handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
