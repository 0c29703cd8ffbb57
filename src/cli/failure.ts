import { ConnectError } from "@connectrpc/connect";

/** Runs a command's work; what fails is told in words instead of a stack, and makes the exit code 1. */
export async function telling(work: () => Promise<number>): Promise<never> {
  try {
    process.exit(await work());
  } catch (error) {
    console.error(error instanceof ConnectError ? error.rawMessage : error);
    process.exit(1);
  }
}
