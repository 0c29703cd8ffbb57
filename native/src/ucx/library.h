// Opens libucp, with the settings that it reads while it loads.
#pragma once

#include <string>
#include <vector>

#include "ucx/api.h"

namespace waybill::ucx {

struct Library {
  Api api;
  std::string path;
  std::string version;
};

// Opens the first of these libraries that opens; the first one that ever did is kept for the life of the process, since two of
// them in one process are not known to work, and one with constructors and threads cannot be unloaded. Null with `error` set,
// naming each path and what was wrong with it. Not thread-safe before the first success: call it from one thread.
const Library* OpenLibrary(const std::vector<std::string>& paths, std::string* error);

// The settings that count only in the environment, and only before the library loads. Those that are there already stay.
void PrepareEnvironment();

}  // namespace waybill::ucx
