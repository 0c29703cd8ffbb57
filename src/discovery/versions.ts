const NUMERIC = /^\d+$/;

/**
 * Orders versions from low to high: numbers by value (`"10"` after `"9"`), and below all numbers any other text, compared
 * lexically. So a version called `"canary"` never becomes the default of an operator that has numbered ones.
 */
export function compareVersions(a: string, b: string): number {
  const numericA = NUMERIC.test(a);
  if (numericA !== NUMERIC.test(b)) return numericA ? 1 : -1;
  if (numericA) {
    // Compared as text of equal length: versions may be longer than exact numbers.
    const [digitsA, digitsB] = [a.replace(/^0+(?=\d)/, ""), b.replace(/^0+(?=\d)/, "")];
    if (digitsA.length !== digitsB.length) return digitsA.length - digitsB.length;
    if (digitsA !== digitsB) return digitsA < digitsB ? -1 : 1;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The highest of some versions by {@linkcode compareVersions}; `undefined` of none. */
export function highestVersion(versions: Iterable<string>): string | undefined {
  return [...versions].sort(compareVersions).at(-1);
}
