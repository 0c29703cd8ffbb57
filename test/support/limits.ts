/** How long one test or hook may take unless it says otherwise. Generous: the machine may be small and busy. */
export const testTimeoutMs = 60_000;
