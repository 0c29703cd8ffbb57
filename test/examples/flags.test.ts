import { describe, expect, test } from "bun:test";
import { CLIENT_FLAGS } from "../../examples/hello_world/client/options.ts";
import { DEPLOY_FLAGS } from "../../examples/hello_world/support/deployment-flags.ts";
import { readFlags, usageOf } from "../../examples/hello_world/support/flags.ts";
import { layoutOf } from "../../examples/hello_world/support/layout.ts";
import { envOf, settingsFrom } from "../../examples/hello_world/support/worker-env.ts";
import { DEFAULT_TCP_URL } from "../../mod.ts";

describe("the flags of the hello world", () => {
  test("default to what the original defaults to, with one URL for deployment and client", () => {
    const deploy = readFlags(DEPLOY_FLAGS, []);
    expect(deploy.encoders).toEqual({ workers: 1, maxInflight: 1, instances: 1, kind: "CPU" });
    expect(deploy["encoder-input-copies"]).toBe(1);
    expect(deploy["starting-metrics-port"]).toBe(50_000);
    expect(deploy["initialize-request-plane"]).toBe(false);
    const client = readFlags(CLIENT_FLAGS, []);
    expect(client["requests-per-client"]).toBe(100);
    expect(client["input-size-mean"]).toBe(1000);
    expect(client.operator).toBe("encoder_decoder");
    expect([deploy["request-plane-uri"], client["request-plane-uri"]]).toEqual([DEFAULT_TCP_URL, DEFAULT_TCP_URL]);
  });

  test("shape each stage by its own: workers, requests held, instances, CPU or GPU", () => {
    const args = ["--encoders", "4", "2", "3", "GPU", "--decoder-delay-per-token", "0.5", "--encoder-decoders", "2", "9"];
    expect(layoutOf(readFlags(DEPLOY_FLAGS, [...args, "--encoder-input-copies=7"]))).toEqual([
      { operator: "encoder", count: 4, kind: "GPU", settings: { maxInflight: 2, instances: 3, delay: 0, inputCopies: 7 } },
      { operator: "decoder", count: 1, kind: "CPU", settings: { maxInflight: 1, instances: 1, delay: 0.5, inputCopies: 7 } },
      { operator: "encoder_decoder", count: 2, kind: "CPU", settings: { maxInflight: 9 } },
    ]);
  });

  test("reach a worker through its environment as they are", () => {
    const settings = { delay: 0.25, inputCopies: 3, maxInflight: 4, instances: 2 };
    expect(settingsFrom(envOf(settings, "CPU"))).toEqual(settings);
    expect(() => settingsFrom({ HELLO_INPUT_COPIES: "0" })).toThrow(
      'Variable HELLO_INPUT_COPIES must be an integer from 1, got "0"',
    );
  });

  test("are refused with the flag, the value seen and the value wanted", () => {
    const refusals: [string[], string][] = [
      [["--nope"], 'Unknown argument "--nope"'],
      [["stray"], 'Unknown argument "stray"'],
      [["--encoders", "1", "1"], "Flag --encoders takes 4: N N N CPU|GPU, got 2"],
      [["--encoders", "1", "1", "1", "TPU"], 'Flag --encoders must end with CPU or GPU, got "TPU"'],
      [["--encoders", "1", "0", "1", "CPU"], 'Flag --encoders must be an integer from 1, got "0"'],
      [["--clear-logs=yes"], "Flag --clear-logs takes no value, got 1"],
      [["--encoder-delay-per-token", "-1"], 'Flag --encoder-delay-per-token must be a number from 0, got "-1"'],
      [["--runtime", "python"], 'Flag --runtime must be one of bun, deno, node, got "python"'],
      [["--triton-core-models", "x"], "Flag --triton-core-models has no meaning here"],
    ];
    for (const [args, message] of refusals) expect(() => readFlags(DEPLOY_FLAGS, args)).toThrow(message);
    expect(() => readFlags(CLIENT_FLAGS, ["--operator", "nobody"])).toThrow(
      'Flag --operator must be one of encoder, decoder, encoder_decoder, got "nobody"',
    );
  });

  test("are all in the usage, with their defaults", () => {
    const usage = usageOf("deploy.ts", "Runs it.", DEPLOY_FLAGS);
    for (const name of Object.keys(DEPLOY_FLAGS)) expect(usage).toContain(`--${name}`);
    expect(usage).toContain("(default 1 1 1 CPU)");
  });
});
