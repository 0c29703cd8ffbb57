#include "ucx/ranges.h"

#include <algorithm>

namespace waybill::ucx {

bool Ranges::Add(uint64_t begin, uint64_t end) {
  // Nothing overlaps with nothing.
  if (begin >= end) return begin == end;
  auto next = std::lower_bound(ranges_.begin(), ranges_.end(), begin,
                               [](const Range& range, uint64_t at) { return range.begin < at; });
  if (next != ranges_.end() && next->begin < end) return false;
  const bool has_before = next != ranges_.begin();
  if (has_before && (next - 1)->end > begin) return false;
  const bool joins_before = has_before && (next - 1)->end == begin;
  const bool joins_next = next != ranges_.end() && next->begin == end;
  if (joins_before && joins_next) {
    (next - 1)->end = next->end;
    ranges_.erase(next);
  } else if (joins_before) {
    (next - 1)->end = end;
  } else if (joins_next) {
    next->begin = begin;
  } else {
    if (ranges_.size() >= kMost) return false;
    ranges_.insert(next, Range{begin, end});
  }
  return true;
}

}  // namespace waybill::ucx
