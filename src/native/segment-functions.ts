/** An open file of shared memory. Whoever got it closes it with `closeSegment`. */
export interface SegmentFile {
  /** Number of the open file. */
  readonly fd: number;
  /** Its size. */
  readonly byteLength: number;
}

/** What a sweep did. */
export interface SweptSegments {
  /** Paths of what nobody held, and that are gone. */
  readonly removed: readonly string[];
  /** Paths of what somebody holds, or what is not this user's. */
  readonly kept: readonly string[];
}

/** Room of a file system. */
export interface SegmentSpace {
  /** Bytes altogether. */
  readonly totalBytes: number;
  /** Bytes that this user may still take. */
  readonly freeBytes: number;
}

/** The addon's functions for shared memory. */
export interface SegmentFunctions {
  /**
   * Makes a file at a path that does not exist yet, mode 0600, reserves all of its pages and locks it (`flock`, exclusive) until it
   * is closed or the process ends.
   *
   * @throws {Error} `ENOSPC` when the file system is too full, `EEXIST`
   */
  createSegment(path: string, byteLength: number): SegmentFile;
  /** The same without a path (`memfd`): others of this user open `/proc/<pid>/fd/<fd>`. Its size is sealed. */
  createMemorySegment(name: string, byteLength: number): SegmentFile;
  /**
   * Opens a segment of this user by its path, also one in `/proc`. Does not lock it.
   *
   * @throws {Error} `EACCES` for another user's file, `EINVAL` for what is no plain file, `ENOENT`
   */
  openSegment(path: string, writable: boolean): SegmentFile;
  /** Closes a file, and with it the lock. What is mapped stays so. */
  closeSegment(fd: number): void;
  /** Removes a file; one that is gone already is no error. */
  unlinkSegment(path: string): void;
  /** Removes those of this user's files in a folder whose names begin with a prefix and which nobody has locked. */
  sweepSegments(folder: string, prefix: string): SweptSegments;
  /** Room of the file system that a folder is on. */
  segmentSpace(folder: string): SegmentSpace;
  /**
   * Maps a file from its beginning. Each call makes one buffer; make views of it, and never transfer it. Writing through a mapping
   * that is not writable ends the process with SIGSEGV. The pages stay mapped until the buffer is collected or unmapped.
   *
   * @throws {Error} `EINVAL` for more bytes than the file has, `ERR_NO_EXTERNAL_BUFFERS` where the runtime forbids such buffers
   */
  mapSegment(fd: number, byteLength: number, writable: boolean): ArrayBuffer;
  /** Lets go of the pages. Views that are left read zeros from then on, and write to private memory. Twice does no harm. */
  unmapSegment(buffer: ArrayBuffer): void;
}
