/** What a source may use. */
export interface SourceContext {
  /** Environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The project's cache folder. */
  readonly cacheDir: string;
  /** Tells what is about to take long, in one line. */
  readonly log: (line: string) => void;
  /** Ends the search. */
  readonly signal: AbortSignal | undefined;
}

/** A place where a broker can come from. */
export interface BrokerSource {
  /** What it is called when told. */
  readonly name: string;
  /** Whether it fetches or builds something, rather than looks. */
  readonly obtains: boolean;
  /**
   * Names the binaries there, the best first.
   *
   * @throws {Error} why there is none
   */
  find(context: SourceContext): Promise<string[]>;
}
