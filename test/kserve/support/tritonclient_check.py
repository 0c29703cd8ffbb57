"""Uses a server through NVIDIA's own clients, HTTP and gRPC, each with and without asyncio, and prints one line for each check."""

import asyncio
import os
import queue
import sys

import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as grpcaio
import tritonclient.http as httpclient
import tritonclient.http.aio as httpaio
import tritonclient.utils.shared_memory as shm
from tritonclient.utils import InferenceServerException

HTTP, GRPC = sys.argv[1], sys.argv[2]
A = np.arange(16, dtype=np.float32)
B = np.ones(16, dtype=np.float32)


def check(name, ok):
    if not ok:
        raise AssertionError(name)
    print("ok", name, flush=True)


def add_sub_inputs(lib, **binary):
    inputs = [lib.InferInput("INPUT0", [16], "FP32"), lib.InferInput("INPUT1", [16], "FP32")]
    inputs[0].set_data_from_numpy(A, **binary)
    inputs[1].set_data_from_numpy(B, **binary)
    return inputs


def is_sum(result):
    return np.array_equal(result.as_numpy("OUTPUT0"), A + B) and np.array_equal(result.as_numpy("OUTPUT1"), A - B)


def bytes_input(lib):
    one = lib.InferInput("INPUT0", [3], "BYTES")
    one.set_data_from_numpy(np.array([b"a\xffb", b"", "hé".encode()], dtype=object))
    return [one]


def fails(call, status, text):
    try:
        call()
    except InferenceServerException as error:
        return str(error.status()) == status and text in error.message()
    return False


def common(name, client, lib):
    check(f"{name} health", client.is_server_live() and client.is_server_ready() and client.is_model_ready("add_sub"))
    check(f"{name} not ready", not client.is_model_ready("broken") and not client.is_model_ready("nomodel"))
    check(f"{name} infer", is_sum(client.infer("add_sub", add_sub_inputs(lib))))
    one = client.infer("add_sub", add_sub_inputs(lib), outputs=[lib.InferRequestedOutput("OUTPUT1")], request_id="id7")
    check(f"{name} one output", one.as_numpy("OUTPUT0") is None and np.array_equal(one.as_numpy("OUTPUT1"), A - B))
    top = client.infer("add_sub", add_sub_inputs(lib), outputs=[lib.InferRequestedOutput("OUTPUT0", class_count=2)])
    check(f"{name} classification", [x.decode() for x in top.as_numpy("OUTPUT0")] == ["16.000000:15", "15.000000:14"])
    echoed = client.infer("identity_bytes", bytes_input(lib)).as_numpy("OUTPUT0")
    check(f"{name} bytes", list(echoed) == [b"a\xffb", b"", "hé".encode()])
    options = dict(sequence_id=5, sequence_start=True, priority=1, timeout=2_000_000, parameters={"n": 3, "s": "x", "b": True})
    check(f"{name} options", is_sum(client.infer("add_sub", add_sub_inputs(lib), **options)))
    check(f"{name} version", is_sum(client.infer("add_sub", add_sub_inputs(lib), model_version="1")))
    large = np.random.default_rng(1).random(1_000_000, dtype=np.float32)
    big = lib.InferInput("INPUT0", [large.size], "FP32")
    big.set_data_from_numpy(large)
    check(f"{name} 4 MB", np.array_equal(client.infer("identity_fp32", [big]).as_numpy("OUTPUT0"), large))
    futures = [client.async_infer("add_sub", add_sub_inputs(lib)) for _ in range(8)] if lib is httpclient else []
    check(f"{name} concurrent", all(is_sum(future.get_result()) for future in futures))


def shared_memory(name, client, lib):
    key = f"/kserve_{name}_{os.getpid()}"
    region = shm.create_shared_memory_region("region", key, 256)
    try:
        shm.set_shared_memory_region(region, [A, B])
        client.register_system_shared_memory("region", key, 256)
        inputs = [lib.InferInput(one, [16], "FP32") for one in ("INPUT0", "INPUT1")]
        outputs = [lib.InferRequestedOutput(one) for one in ("OUTPUT0", "OUTPUT1")]
        for i, one in enumerate([*inputs, *outputs]):
            one.set_shared_memory("region", 64, offset=64 * i)
        client.infer("add_sub", inputs, outputs=outputs)
        seen = [shm.get_contents_as_numpy(region, np.float32, [16], offset=offset) for offset in (128, 192)]
        check(f"{name} shared memory", np.array_equal(seen[0], A + B) and np.array_equal(seen[1], A - B))
        client.unregister_system_shared_memory()
    finally:
        shm.destroy_shared_memory_region(region)


def http():
    with httpclient.InferenceServerClient(HTTP, concurrency=8) as client:
        common("http", client, httpclient)
        shared_memory("http", client, httpclient)
        check("http json", is_sum(client.infer("add_sub", add_sub_inputs(httpclient, binary_data=False))))
        wanted = [httpclient.InferRequestedOutput(name, binary_data=False) for name in ("OUTPUT0", "OUTPUT1")]
        check("http json out", is_sum(client.infer("add_sub", add_sub_inputs(httpclient), outputs=wanted)))
        for packing in ("gzip", "deflate"):
            both = dict(request_compression_algorithm=packing, response_compression_algorithm=packing)
            check(f"http {packing}", is_sum(client.infer("add_sub", add_sub_inputs(httpclient), **both)))
        check("http metadata", client.get_model_metadata("add_sub")["inputs"][0] == {"name": "INPUT0", "datatype": "FP32", "shape": [16]})
        check("http server", client.get_server_metadata()["name"] == "triton")
        check("http config", client.get_model_config("add_sub_batch")["max_batch_size"] == 8)
        check("http stats", client.get_inference_statistics("add_sub")["model_stats"][0]["inference_stats"]["success"]["count"] > 0)
        check("http index", {"name": "add_sub", "version": "1", "state": "READY"} in client.get_model_repository_index())
        check("http log", client.update_log_settings({"log_verbose_level": 2})["log_verbose_level"] == 2)
        check("http trace", client.get_trace_settings("add_sub")["trace_rate"] == "1000")
        check("http unknown", fails(lambda: client.infer("nomodel", add_sub_inputs(httpclient)), "404", "Request for unknown model"))
        check("http load", fails(lambda: client.load_model("add_sub"), "503", "explicit model load"))
        check("http raises", fails(lambda: client.infer("raiser", [raiser(httpclient)]), "500", "boom in execute"))


def raiser(lib):
    one = lib.InferInput("INPUT0", [1], "FP32")
    one.set_data_from_numpy(np.ones(1, dtype=np.float32))
    return one


def repeat_inputs():
    one = grpcclient.InferInput("IN", [3], "INT32")
    one.set_data_from_numpy(np.array([4, 5, 6], dtype=np.int32))
    return [one]


def grpc():
    with grpcclient.InferenceServerClient(GRPC) as client:
        common("grpc", client, grpcclient)
        shared_memory("grpc", client, grpcclient)
        check("grpc metadata", list(client.get_model_metadata("add_sub").inputs[0].shape) == [16])
        check("grpc config", client.get_model_config("add_sub_batch").config.max_batch_size == 8)
        check("grpc stats", client.get_inference_statistics("add_sub").model_stats[0].inference_count > 0)
        check("grpc index", any(model.name == "add_sub" for model in client.get_model_repository_index().models))
        check("grpc log", client.get_log_settings().settings["log_format"].string_param == "default")
        check("grpc unknown", fails(lambda: client.infer("nomodel", add_sub_inputs(grpcclient)), "StatusCode.NOT_FOUND", "unknown model"))
        check("grpc gzip", is_sum(client.infer("add_sub", add_sub_inputs(grpcclient), compression_algorithm="gzip")))
        answers = queue.Queue()
        client.start_stream(lambda result, error: answers.put((result, error)))
        client.async_stream_infer("repeat", repeat_inputs(), enable_empty_final_response=True)
        seen = []
        while True:
            result, error = answers.get(timeout=20)
            if error is not None:
                raise error
            if result.get_response().parameters["triton_final_response"].bool_param:
                break
            seen.append(int(result.as_numpy("OUT")[0]))
        client.async_stream_infer("nomodel", repeat_inputs())
        _, error = answers.get(timeout=20)
        client.stop_stream()
        check("grpc stream", seen == [4, 5, 6] and "unknown model" in error.message())


async def aio():
    async with httpaio.InferenceServerClient(HTTP) as client:
        check("http aio health", await client.is_server_ready())
        results = await asyncio.gather(*[client.infer("add_sub", add_sub_inputs(httpclient)) for _ in range(8)])
        check("http aio infer", all(is_sum(result) for result in results))
    async with grpcaio.InferenceServerClient(GRPC) as client:
        check("grpc aio health", await client.is_server_ready())
        results = await asyncio.gather(*[client.infer("add_sub", add_sub_inputs(grpcclient)) for _ in range(8)])
        check("grpc aio infer", all(is_sum(result) for result in results))

        async def requests():
            yield {"model_name": "repeat", "inputs": repeat_inputs()}

        seen = [int(result.as_numpy("OUT")[0]) async for result, error in client.stream_infer(requests()) if error is None]
        check("grpc aio stream", seen == [4, 5, 6])


http()
grpc()
asyncio.run(aio())
print("done", flush=True)
