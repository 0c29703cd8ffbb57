import { ConnectError } from "@connectrpc/connect";

/** The ConnectError that a function throws; any other outcome is a failed test. */
export function failure(run: () => unknown): ConnectError {
  try {
    run();
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw new Error(`expected a ConnectError, got ${error}`, { cause: error });
  }
  throw new Error("expected a ConnectError, got none");
}

/** The ConnectError that a promise rejects with; any other outcome is a failed test. */
export async function rejection(promise: Promise<unknown>): Promise<ConnectError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw new Error(`expected a ConnectError, got ${error}`, { cause: error });
  }
  throw new Error("expected a ConnectError, got none");
}
