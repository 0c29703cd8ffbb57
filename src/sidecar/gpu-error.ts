import { Code, ConnectError } from "@connectrpc/connect";

/** The driver's names for what a program may act on. Everything else is the machine's fault. */
const codes: Readonly<Record<string, Code>> = {
  CUDA_ERROR_OUT_OF_MEMORY: Code.ResourceExhausted,
  CUDA_ERROR_INVALID_DEVICE: Code.FailedPrecondition,
  CUDA_ERROR_NO_DEVICE: Code.FailedPrecondition,
  CUDA_ERROR_INVALID_VALUE: Code.InvalidArgument,
  ERR_FREED: Code.FailedPrecondition,
};

/** What CUDA's driver refused, as an error of ours; the driver's own is its cause. */
export function gpuError(what: string, error: unknown): ConnectError {
  const { code, message } = error as { code?: string; message?: string };
  const text = `${what}: it must succeed, got ${code ?? message ?? String(error)}`;
  return new ConnectError(text, codes[code ?? ""] ?? Code.Internal, undefined, undefined, error);
}
