// Files of shared memory: made, found by their path, and swept away when nobody owns them any more.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/file_descriptor.h"
#include "core/status.h"

namespace waybill {

/// A file of shared memory. Its owner holds an exclusive flock() on it for as long as it has it open.
struct SegmentFile {
  FileDescriptor fd;
  uint64_t byte_length = 0;
};

/// Makes a segment at a path that does not exist yet, mode 0600, locked, with all of its pages reserved: a full file system is an
/// error here, and not a SIGBUS at the first write later.
Status CreateSegmentFile(const std::string& path, uint64_t byte_length, SegmentFile* out);

/// Makes a segment without a path. Others of this user open it as /proc/<pid>/fd/<fd>. It can neither grow nor shrink.
Status CreateMemorySegment(const std::string& name, uint64_t byte_length, SegmentFile* out);

/// Opens someone's segment, to read or to write as well. Refuses what is no plain file of this user.
Status OpenSegmentFile(const std::string& path, bool writable, SegmentFile* out);

/// What a sweep found.
struct Swept {
  std::vector<std::string> removed;
  /// Paths that are in use, that is, locked.
  std::vector<std::string> kept;
};

/// Removes this user's files in a folder whose names begin with `prefix` and which nobody holds a lock on.
Status SweepSegmentFiles(const std::string& folder, const std::string& prefix, Swept* out);

}  // namespace waybill
