/** What a `Range` header asks for: a part, all (it is not there, or not for us), or something that there is not. */
export type ByteRange = { readonly offset: number; readonly length: number } | "all" | "unsatisfiable";

/** Reads a `Range` header (RFC 9110 §14). Several ranges at once are not served; another unit than bytes is ignored. */
export function parseRange(header: string | undefined, size: number): ByteRange {
  if (header === undefined || !/^bytes *=/i.test(header)) return "all";
  const match = /^bytes *= *(\d{0,15})-(\d{0,15}) *$/i.exec(header);
  if (match === null) return "unsatisfiable";
  const [, first = "", last = ""] = match;
  if (first === "") return last === "" ? "unsatisfiable" : suffix(Number(last), size);
  const offset = Number(first);
  const end = last === "" ? size : Math.min(Number(last) + 1, size);
  return offset >= size || end <= offset ? "unsatisfiable" : { offset, length: end - offset };
}

function suffix(length: number, size: number): ByteRange {
  const taken = Math.min(length, size);
  return taken === 0 ? "unsatisfiable" : { offset: size - taken, length: taken };
}
