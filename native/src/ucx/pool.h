// Objects that are used again instead of being freed, for what is made with every message.
#pragma once

#include <memory>
#include <vector>

namespace waybill::ucx {

template <typename T>
class Pool {
 public:
  T* Get() {
    if (free_.empty()) {
      all_.push_back(std::make_unique<T>());
      return all_.back().get();
    }
    T* object = free_.back();
    free_.pop_back();
    return object;
  }
  void Put(T* object) {
    *object = T();
    free_.push_back(object);
  }
  // All there are, used or not.
  template <typename Fn>
  void ForEach(Fn fn) {
    for (const auto& object : all_) fn(object.get());
  }
  size_t used() const { return all_.size() - free_.size(); }

 private:
  std::vector<std::unique_ptr<T>> all_;
  std::vector<T*> free_;
};

}  // namespace waybill::ucx
