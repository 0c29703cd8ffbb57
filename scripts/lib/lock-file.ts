/** What package-lock.json says of one package. */
interface LockedPackage {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Readonly<Record<string, string>>;
}

/** The parts of package-lock.json that matter here. */
export interface LockFile {
  packages: Record<string, LockedPackage>;
}

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const processors = ["arm", "arm64", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "x64"];
const sameAs: Readonly<Record<string, string>> = { windows: "win32", aarch64: "arm64", armv7: "arm" };

/** What a package for one platform says in its name. */
function platformOf(name: string): Pick<LockedPackage, "os" | "cpu" | "libc"> {
  const words = name.split(/[-/]/).map((word) => sameAs[word] ?? word);
  const libc = words.some((word) => word.startsWith("musl")) ? ["musl"] : undefined;
  return {
    os: words.filter((word) => systems.includes(word)),
    cpu: words.filter((word) => processors.includes(word)),
    ...(libc === undefined ? {} : { libc }),
  };
}

/**
 * The packages for other platforms that a lock file lacks. A registry that mirrors a part of npm's may not have them; `npm install`
 * then leaves them out without a word, and `npm ci` refuses the file everywhere.
 */
export function missingPackages({ packages }: LockFile): Record<string, LockedPackage> {
  const missing: Record<string, LockedPackage> = {};
  for (const [path, { optionalDependencies = {}, dev }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (packages[`node_modules/${name}`] !== undefined || packages[`${path}/node_modules/${name}`] !== undefined) continue;
      missing[`node_modules/${name}`] = { version, ...platformOf(name), ...(dev ? { dev } : {}), optional: true };
    }
  }
  return missing;
}
