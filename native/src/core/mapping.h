// A segment's pages in this process.
#pragma once

#include <cstdint>
#include <memory>

#include "core/status.h"

namespace waybill {

/// Mapped pages. Views of them may outlive their use, so that the addresses stay taken until nobody can look at them any more:
/// Clear() replaces the pages by private ones that are zero, and the destructor gives the addresses back.
class Mapping {
 public:
  /// Maps a whole file. `byte_length` must not be 0 and not more than the file has.
  static Status Map(int fd, uint64_t byte_length, bool writable, std::unique_ptr<Mapping>* out);

  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  uint8_t* data() const { return data_; }
  uint64_t byte_length() const { return byte_length_; }
  bool writable() const { return writable_; }
  bool cleared() const { return cleared_; }

  /// Lets go of the segment. Memory of it that is registered somewhere has to be released there before.
  Status Clear();

 private:
  Mapping(uint8_t* data, uint64_t byte_length, bool writable)
      : data_(data), byte_length_(byte_length), writable_(writable) {}

  uint8_t* data_;
  uint64_t byte_length_;
  bool writable_;
  bool cleared_ = false;
};

}  // namespace waybill
