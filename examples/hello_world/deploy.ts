/**
 * Runs the workers of the hello world until it is stopped, with the original's flags.
 *
 *     node examples/hello_world/deploy.ts --initialize-request-plane [--encoders 4 1 1 CPU] …
 *
 * @module
 */
import process from "node:process";
import { ConnectError } from "../../mod.ts";
import { runDeployment } from "../../src/deployment/mod.ts";
import { deploymentOf } from "./deployment.ts";
import { checkUri } from "./support/check-uri.ts";
import { DEPLOY_FLAGS } from "./support/deployment-flags.ts";
import { flagsOrExit } from "./support/flags.ts";
import { GPU_NOTICE } from "./support/worker-env.ts";

const what = "Runs the workers of the hello world: encoder, decoder, and encoder_decoder, which calls the two.";
const flags = flagsOrExit("deploy.ts", what, DEPLOY_FLAGS, process.argv.slice(2));
if (flags.encoders.kind === "GPU" || flags.decoders.kind === "GPU") console.warn(`Warning: ${GPU_NOTICE}`);
try {
  checkUri(flags["request-plane-uri"], flags["initialize-request-plane"]);
  process.exit(await runDeployment(deploymentOf(flags), { file: new URL("./deployment.ts", import.meta.url) }));
} catch (error) {
  console.error(`Exception: ${ConnectError.from(error).rawMessage}`);
  process.exit(1);
}
