#include "ucx/completions.h"

#include <algorithm>
#include <cstring>

namespace waybill::ucx {

void Completions::Push(Event event, double a, double b, double c, double d) {
  bool tell = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const double record[kStride] = {static_cast<double>(event), a, b, c, d};
    records_.insert(records_.end(), record, record + kStride);
    tell = !told_;
    told_ = true;
  }
  if (tell) notify_();
}

size_t Completions::Drain(double* out, size_t records) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const size_t doubles = std::min(records * kStride, records_.size() - read_);
  if (doubles > 0) std::memcpy(out, records_.data() + read_, doubles * sizeof(double));
  read_ += doubles;
  if (read_ == records_.size()) {
    records_.clear();
    read_ = 0;
    // Only an empty batch says that the reader comes back when it is told: it drains until it gets one.
    if (doubles == 0) told_ = false;
  }
  return doubles / kStride;
}

void Completions::PutText(double question, std::string text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  texts_[question] = std::move(text);
}

std::string Completions::TakeText(double question) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = texts_.find(question);
  if (found == texts_.end()) return {};
  std::string text = std::move(found->second);
  texts_.erase(found);
  return text;
}

}  // namespace waybill::ucx
