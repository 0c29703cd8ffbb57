// How long to look for work before sleeping. A sleep and a wake-up cost more than a short spin, and a spin on an idle node costs a
// core: so it spins only while work comes within the window.
#pragma once

#include <sched.h>

#include <algorithm>
#include <cstdint>

namespace waybill::ucx {

class Spin {
 public:
  explicit Spin(uint64_t max_ns) : max_ns_(max_ns), window_ns_(max_ns) {}

  // Work was done.
  void Worked(uint64_t now_ns) {
    const uint64_t gap = now_ns - last_ns_;
    last_ns_ = now_ns;
    if (gap > kCare * max_ns_) {
      // After a rest the next request is as likely the last as the first of many: one short look.
      window_ns_ = std::max(window_ns_ / 2, max_ns_ / 8);
    } else {
      window_ns_ = max_ns_;
    }
  }

  // Whether to look again rather than to sleep.
  bool Again(uint64_t now_ns) const { return now_ns - last_ns_ < window_ns_; }

 private:
  // Gaps up to this many windows say that more is coming.
  static constexpr uint64_t kCare = 20;
  uint64_t max_ns_;
  uint64_t window_ns_;
  uint64_t last_ns_ = 0;
};

// Between two looks. Whoever else wants this core gets it: often that is JavaScript, which was just woken on it, and would wait for
// as long as the window lasts.
inline void Pause() { sched_yield(); }

}  // namespace waybill::ucx
