// The stand-in for CUDA's driver, opened as the real one is.
#pragma once

#include <dlfcn.h>

#include <memory>
#include <string>

#include "check.h"
#include "cuda/driver.h"

namespace waybill::test {

inline std::shared_ptr<const cuda::Driver> OpenFakeDriver() {
  std::string fault;
  auto driver = cuda::OpenDriver(WAYBILL_FAKE_CUDA, &fault);
  CHECK(driver != nullptr);
  return driver;
}

/// A function of the stand-in that a driver does not have.
template <typename Function>
Function FakeDriverFunction(const char* name) {
  void* library = dlopen(WAYBILL_FAKE_CUDA, RTLD_NOW | RTLD_NOLOAD);
  CHECK(library != nullptr);
  const auto function = reinterpret_cast<Function>(dlsym(library, name));
  dlclose(library);
  CHECK(function != nullptr);
  return function;
}

}  // namespace waybill::test
