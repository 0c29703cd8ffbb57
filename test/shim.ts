/**
 * The part of `bun:test` that our tests use, over `node:test`, for Node and Deno.
 *
 * @module
 */
import * as node from "node:test";
import { testTimeoutMs } from "./support/limits.ts";

export { expect } from "expect";

type Body = () => unknown;

/** A test, as `bun:test` declares one. */
export interface TestFunction {
  (name: string, fn: Body, timeoutMs?: number): void;
  skip(name: string, fn?: Body, timeoutMs?: number): void;
  todo(name: string, fn?: Body, timeoutMs?: number): void;
}

/** A group of tests, as `bun:test` declares one. */
export interface DescribeFunction {
  (name: string, fn: () => void): void;
  skip(name: string, fn?: () => void): void;
}

/** Fails a body that takes too long. Deno 2.9's `node:test` accepts a `timeout` and ignores it, so it is done here for both. */
function limited(fn: Body, timeoutMs: number = testTimeoutMs): () => Promise<void> {
  return async () => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Test timed out after ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      await Promise.race([fn(), late]);
    } finally {
      clearTimeout(timer);
    }
  };
}

function hook(register: (fn: () => Promise<void>) => void): (fn: Body, timeoutMs?: number) => void {
  return (fn, timeoutMs) => register(limited(fn, timeoutMs));
}

export const test: TestFunction = Object.assign(
  (name: string, fn: Body, timeoutMs?: number): void => void node.it(name, limited(fn, timeoutMs)),
  {
    skip: (name: string): void => void node.it(name, { skip: true }, () => {}),
    todo: (name: string): void => void node.it(`${name} (skipped: to do)`, { skip: true }, () => {}),
  },
);
export const it: TestFunction = test;

export const describe: DescribeFunction = Object.assign(
  (name: string, fn: () => void): void => void node.describe(name, fn),
  { skip: (name: string): void => void node.it(name, { skip: true }, () => {}) },
);

export const beforeAll: (fn: Body, timeoutMs?: number) => void = hook((fn) => node.before(fn));
export const afterAll: (fn: Body, timeoutMs?: number) => void = hook((fn) => node.after(fn));
export const beforeEach: (fn: Body, timeoutMs?: number) => void = hook((fn) => node.beforeEach(fn));
export const afterEach: (fn: Body, timeoutMs?: number) => void = hook((fn) => node.afterEach(fn));
