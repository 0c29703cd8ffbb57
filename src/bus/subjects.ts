/** Whether `subject` may be sent into the protocol: white space in it would start a new command or argument. */
export function isSubject(subject: string): boolean {
  return subject !== "" && !whiteSpace.test(subject);
}

/** Whether a message on `subject` reaches a subscription to `pattern`: `*` stands for one token, a last `>` for one or more. */
export function subjectMatches(pattern: string, subject: string): boolean {
  return tokensMatch(pattern.split("."), subject.split("."));
}

/** Like {@linkcode subjectMatches}, for callers that keep the tokens. */
export function tokensMatch(pattern: readonly string[], subject: readonly string[]): boolean {
  for (let i = 0; i < pattern.length; i++) {
    const token = pattern[i];
    if (token === ">") return i === pattern.length - 1 && subject.length > i;
    if (i >= subject.length || (token !== "*" && token !== subject[i])) return false;
  }
  return pattern.length === subject.length;
}

/** Whether a subscription to `pattern` can match more than one subject. */
export function hasWildcard(pattern: string): boolean {
  return pattern.split(".").some((token) => token === "*" || token === ">");
}

/** A subject prefix that nobody else has: 96 random bits below `prefix`. */
export function newInbox(prefix: string): string {
  let id = "";
  for (const word of crypto.getRandomValues(new Uint32Array(3))) id += word.toString(36).padStart(7, "0");
  return `${prefix}.${id}`;
}

const whiteSpace = /[\s\0]/;
