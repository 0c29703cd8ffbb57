/**
 * How the runtimes' consoles print our objects.
 *
 * @module
 */

/**
 * Makes `console.log` and `inspect` of Node, Bun and Deno print every object of a class as `print` says. Symbols from the
 * registry cannot be written as class members (isolated declarations refuse them), so that a static block calls this.
 */
export function printAs<T extends object>(prototype: T, print: (object: T) => string): void {
  const value = function (this: T): string {
    return print(this);
  };
  for (const hook of ["nodejs.util.inspect.custom", "Deno.customInspect"]) {
    Object.defineProperty(prototype, Symbol.for(hook), { value, configurable: true });
  }
}
