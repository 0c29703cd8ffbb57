// Which parts of a tensor have been announced: UCX keeps no order among messages that wait for room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace waybill::ucx {

class Ranges {
 public:
  // Gaps that an honest owner leaves: no more than the pieces that it has on their way.
  static constexpr size_t kMost = 4096;

  // Adds a range; false, with nothing changed, for one that overlaps with what is there, or leaves too many gaps.
  bool Add(uint64_t begin, uint64_t end);
  void Clear() { ranges_.clear(); }
  size_t size() const { return ranges_.size(); }

 private:
  struct Range {
    uint64_t begin;
    uint64_t end;
  };
  // Sorted, and none touches the next.
  std::vector<Range> ranges_;
};

}  // namespace waybill::ucx
