// Makes `bun:test` mean our shim in Node: node --import ./test/hooks.mjs --test
import { registerHooks } from "node:module";

const shim = new URL("./shim.ts", import.meta.url).href;
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "bun:test" ? { url: shim, shortCircuit: true } : next(specifier, context),
});
