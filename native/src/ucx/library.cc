#include "ucx/library.h"

#include <dlfcn.h>
#include <stdlib.h>

#include <atomic>
#include <mutex>

namespace waybill::ucx {

namespace {

// Never destroyed: the process may end while a thread still uses it.
std::atomic<const Library*> opened{nullptr};

bool Resolve(void* handle, Api* api, std::string* missing) {
#define WAYBILL_UCP_RESOLVE(name)                                    \
  api->name = reinterpret_cast<decltype(api->name)>(dlsym(handle, #name)); \
  if (api->name == nullptr) {                                        \
    *missing = #name;                                                \
    return false;                                                    \
  }
  WAYBILL_UCP_FUNCTIONS(WAYBILL_UCP_RESOLVE)
#undef WAYBILL_UCP_RESOLVE
  return true;
}

const Library* TryOpen(const std::string& path, std::string* error) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    *error += path + ": " + (reason == nullptr ? "cannot be opened" : reason) + "; ";
    return nullptr;
  }
  auto* library = new Library;
  std::string missing;
  if (!Resolve(handle, &library->api, &missing)) {
    *error += path + ": has no function " + missing + "; ";
    delete library;
    return nullptr;
  }
  library->path = path;
  library->version = library->api.ucp_get_version_string();
  return library;
}

}  // namespace

void PrepareEnvironment() {
  static const char* const kSettings[][2] = {
      // Else the library patches mmap and its kin in a process that has a JIT compiler, and takes 0.4 s for it.
      {"UCX_MEM_EVENTS", "n"},
      {"UCX_MEMTYPE_CACHE", "n"},
      // Else it writes to stdout, which is the program's.
      {"UCX_LOG_FILE", "stderr"},
      {"UCX_LOG_LEVEL", "error"},
      {"UCX_WARN_UNUSED_ENV_VARS", "n"},
      {"UCX_HANDLE_ERRORS", "none"},
      {"UCX_DEBUG_SIGNO", "0"},
  };
  for (const auto& [name, value] : kSettings) setenv(name, value, 0);
}

const Library* OpenLibrary(const std::vector<std::string>& paths, std::string* error) {
  if (const Library* library = opened.load(std::memory_order_acquire)) return library;
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  if (const Library* library = opened.load(std::memory_order_acquire)) return library;
  PrepareEnvironment();
  error->clear();
  for (const std::string& path : paths) {
    if (const Library* library = TryOpen(path, error)) {
      opened.store(library, std::memory_order_release);
      return library;
    }
  }
  if (error->size() >= 2) error->resize(error->size() - 2);
  if (error->empty()) *error = "no library was named";
  return nullptr;
}

}  // namespace waybill::ucx
