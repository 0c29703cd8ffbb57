// What an operation of the operating system came to.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

namespace waybill {

/// Success, or the errno of what failed and what it was doing.
struct Status {
  int error = 0;
  /// What was attempted, such as `open`.
  const char* call = "";

  bool ok() const { return error == 0; }

  static Status Ok() { return {}; }
  static Status Errno(const char* call) { return {errno, call}; }
};

}  // namespace waybill
