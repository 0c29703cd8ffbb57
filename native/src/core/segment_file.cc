#include "core/segment_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <memory>

namespace waybill {
namespace {

Status Reserve(int fd, uint64_t byte_length) {
  if (ftruncate(fd, static_cast<off_t>(byte_length)) != 0) return Status::Errno("ftruncate");
  // Returns the error instead of setting errno.
  const int error = posix_fallocate(fd, 0, static_cast<off_t>(byte_length));
  return error == 0 ? Status::Ok() : Status{error, "posix_fallocate"};
}

/// Makes the file and locks it. A sweep may take the lock in between and remove the file: then it is made again.
Status CreateLocked(const std::string& path, FileDescriptor* out) {
  for (int attempt = 0; attempt < 8; attempt++) {
    FileDescriptor fd(open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.open()) return Status::Errno("open");
    struct stat facts {};
    if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0 && fstat(fd.get(), &facts) == 0 && facts.st_nlink > 0) {
      *out = std::move(fd);
      return Status::Ok();
    }
    unlink(path.c_str());
  }
  return Status{EBUSY, "flock"};
}

/// Removes a file if it is this user's own and not locked; says whether it did.
bool RemoveUnlocked(int folder, const char* name) {
  FileDescriptor fd(openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat facts {};
  if (!fd.open() || fstat(fd.get(), &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_uid != geteuid()) return false;
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return false;
  // Of the same name, another file may be there by now.
  struct stat named {};
  if (fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) != 0 || named.st_ino != facts.st_ino) return false;
  return unlinkat(folder, name, 0) == 0;
}

}  // namespace

Status CreateSegmentFile(const std::string& path, uint64_t byte_length, SegmentFile* out) {
  FileDescriptor fd;
  Status status = CreateLocked(path, &fd);
  if (!status.ok()) return status;
  status = Reserve(fd.get(), byte_length);
  if (!status.ok()) {
    unlink(path.c_str());
    return status;
  }
  *out = {std::move(fd), byte_length};
  return status;
}

Status CreateMemorySegment(const std::string& name, uint64_t byte_length, SegmentFile* out) {
  FileDescriptor fd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.open()) return Status::Errno("memfd_create");
  if (fchmod(fd.get(), 0600) != 0) return Status::Errno("fchmod");
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return Status::Errno("flock");
  const Status status = Reserve(fd.get(), byte_length);
  if (!status.ok()) return status;
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) return Status::Errno("fcntl");
  *out = {std::move(fd), byte_length};
  return status;
}

Status OpenSegmentFile(const std::string& path, bool writable, SegmentFile* out) {
  // A memfd's path in /proc is a symbolic link by nature, others must be none; a pipe must not make this wait.
  const int follow = path.rfind("/proc/", 0) == 0 ? 0 : O_NOFOLLOW;
  FileDescriptor fd(open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | follow));
  if (!fd.open()) return Status::Errno("open");
  struct stat facts {};
  if (fstat(fd.get(), &facts) != 0) return Status::Errno("fstat");
  if (!S_ISREG(facts.st_mode)) return Status{EINVAL, "open"};
  if (facts.st_uid != geteuid()) return Status{EACCES, "open"};
  *out = {std::move(fd), static_cast<uint64_t>(facts.st_size)};
  return Status::Ok();
}

Status SweepSegmentFiles(const std::string& folder, const std::string& prefix, Swept* out) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(folder.c_str()), closedir);
  if (entries == nullptr) return Status::Errno("opendir");
  while (const dirent* entry = readdir(entries.get())) {
    const std::string name = entry->d_name;
    if (name.rfind(prefix, 0) != 0) continue;
    const bool removed = RemoveUnlocked(dirfd(entries.get()), entry->d_name);
    (removed ? out->removed : out->kept).push_back(folder + "/" + name);
  }
  return Status::Ok();
}

}  // namespace waybill
