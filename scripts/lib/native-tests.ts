import { join } from "node:path";
import { locateUcx } from "../../src/native/ucx-library.ts";
import { missingBuildTools, runCmake } from "./native-build.ts";
import { type Ended, runCommand } from "./run-command.ts";

/** What the addon's own tests are built with, one program each. */
const builds = [
  { name: "asan", sanitizers: "address,undefined" },
  { name: "tsan", sanitizers: "thread" },
] as const;

/** Options that make every finding fail the program. */
const sanitizerOptions: Readonly<Record<string, string>> = {
  ASAN_OPTIONS: "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
  UBSAN_OPTIONS: "print_stacktrace=1",
  TSAN_OPTIONS: "halt_on_error=1:second_deadlock_stack=1",
};

/** Compiles a program of one line with sanitizers: a compiler may come without their libraries. */
async function lacksSanitizers(): Promise<string | undefined> {
  const script = 'echo "int main() { return 0; }" | ${CXX:-c++} -x c++ -fsanitize=address,undefined - -o /dev/null &&' +
    ' echo "int main() { return 0; }" | ${CXX:-c++} -x c++ -fsanitize=thread - -o /dev/null';
  const { code } = await runCommand("sh", ["-c", script], { capture: true, timeoutMs: 60_000 });
  return code === 0 ? undefined : "the compiler has no sanitizers (Debian: libasan and libtsan come with g++)";
}

/** Why the addon's own tests cannot run here, or `undefined`. */
export async function whyNoNativeTests(): Promise<string | undefined> {
  return await missingBuildTools() ?? await lacksSanitizers();
}

/**
 * Builds the addon's own test program under AddressSanitizer and UndefinedBehaviorSanitizer, then under ThreadSanitizer, and runs it.
 *
 * @param filters parts of the names of the cases that are wanted; all without one
 */
export async function runNativeTests(filters: readonly string[] = []): Promise<Pick<Ended, "code" | "output">> {
  const ucx = await locateUcx({ obtain: true });
  let output = "";
  for (const { name, sanitizers } of builds) {
    const folder = await runCmake(name, { WAYBILL_TESTS: "ON", WAYBILL_SANITIZE: sanitizers }, "waybill_tests");
    const env = { ...sanitizerOptions, ...(ucx === undefined ? {} : { WAYBILL_TEST_UCX: ucx.path }) };
    const ended = await runCommand(join(folder, "test/waybill_tests"), [...filters], {
      capture: true,
      env,
      timeoutMs: 300_000,
    });
    output += `── ${sanitizers} ──\n${ended.output}`;
    if (ended.code !== 0) {
      return { code: ended.code, output: ended.timedOut ? `${output}\nKilled for taking too long` : output };
    }
  }
  return { code: 0, output };
}
