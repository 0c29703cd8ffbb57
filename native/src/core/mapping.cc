#include "core/mapping.h"

#include <sys/mman.h>
#include <sys/stat.h>

namespace waybill {
namespace {

int Protection(bool writable) { return writable ? PROT_READ | PROT_WRITE : PROT_READ; }

}  // namespace

Status Mapping::Map(int fd, uint64_t byte_length, bool writable, std::unique_ptr<Mapping>* out) {
  struct stat facts {};
  if (fstat(fd, &facts) != 0) return Status::Errno("fstat");
  // Beyond the file's end every access would be a SIGBUS.
  if (byte_length == 0 || byte_length > static_cast<uint64_t>(facts.st_size)) return Status{EINVAL, "mmap"};
  void* data = mmap(nullptr, byte_length, Protection(writable), MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return Status::Errno("mmap");
  // Copies of the process (fork) have no use for it. A failure changes nothing for us.
  madvise(data, byte_length, MADV_DONTFORK);
  out->reset(new Mapping(static_cast<uint8_t*>(data), byte_length, writable));
  return Status::Ok();
}

Status Mapping::Clear() {
  if (cleared_) return Status::Ok();
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  if (mmap(data_, byte_length_, Protection(writable_), flags, -1, 0) == MAP_FAILED) return Status::Errno("mmap");
  cleared_ = true;
  return Status::Ok();
}

Mapping::~Mapping() { munmap(data_, byte_length_); }

}  // namespace waybill
