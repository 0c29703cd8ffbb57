// A CUDA driver for machines without one: device memory is memory of this process at addresses that the processor may not touch, so
// that whoever mistakes a device pointer for one of the host's ends with SIGSEGV, as with the real one.
//
//   WAYBILL_FAKE_CUDA_DEVICES   how many devices there are, 2
//   WAYBILL_FAKE_CUDA_BYTES     memory of each, 64 MiB
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

namespace {

constexpr int kInvalidValue = 1;
constexpr int kOutOfMemory = 2;
constexpr int kNotInitialized = 3;
constexpr int kInvalidDevice = 101;
constexpr int kInvalidContext = 201;

struct Allocation {
  int device;
  uint64_t bytes;
  /// The same pages at an address that may be touched.
  uint8_t* pages;
};

struct Device {
  uint64_t used = 0;
  int retained = 0;
};

struct State {
  std::mutex mutex;
  bool initialized = false;
  uint64_t bytes_each = 0;
  std::vector<Device> devices;
  std::map<uint64_t, Allocation> allocations;
};

State& Get() {
  static auto* state = new State();
  return *state;
}

uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* text = getenv(name);
  return text == nullptr || *text == 0 ? otherwise : strtoull(text, nullptr, 10);
}

/// Devices by the ordinal + 1 that contexts are here; 0 is none.
std::vector<uintptr_t>& Contexts() {
  thread_local std::vector<uintptr_t> contexts;
  return contexts;
}

int CurrentDevice() { return Contexts().empty() ? -1 : static_cast<int>(Contexts().back()) - 1; }

/// Where a range of a device's memory may be touched; nullptr where there is no such range.
uint8_t* Touchable(State& state, uint64_t pointer, uint64_t bytes, int device) {
  auto found = state.allocations.upper_bound(pointer);
  if (found == state.allocations.begin()) return nullptr;
  --found;
  const uint64_t offset = pointer - found->first;
  if (offset > found->second.bytes || bytes > found->second.bytes - offset) return nullptr;
  if (device >= 0 && found->second.device != device) return nullptr;
  return found->second.pages + offset;
}

}  // namespace

extern "C" {

int cuInit(unsigned) {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (state.initialized) return 0;
  state.devices.resize(Setting("WAYBILL_FAKE_CUDA_DEVICES", 2));
  state.bytes_each = Setting("WAYBILL_FAKE_CUDA_BYTES", 64 << 20);
  state.initialized = true;
  return 0;
}

int cuDriverGetVersion(int* version) {
  *version = 12090;
  return 0;
}

int cuDeviceGetCount(int* count) {
  if (!Get().initialized) return kNotInitialized;
  *count = static_cast<int>(Get().devices.size());
  return 0;
}

int cuDeviceGet(int* device, int ordinal) {
  if (!Get().initialized) return kNotInitialized;
  if (ordinal < 0 || ordinal >= static_cast<int>(Get().devices.size())) return kInvalidDevice;
  *device = ordinal;
  return 0;
}

int cuDeviceGetName(char* name, int length, int device) {
  snprintf(name, static_cast<size_t>(length), "Fake GPU %d", device);
  return 0;
}

int cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = Get().bytes_each;
  return 0;
}

int cuDevicePrimaryCtxRetain(void** context, int device) {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (device < 0 || device >= static_cast<int>(state.devices.size())) return kInvalidDevice;
  state.devices[static_cast<size_t>(device)].retained++;
  *context = reinterpret_cast<void*>(static_cast<uintptr_t>(device) + 1);
  return 0;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (--state.devices[static_cast<size_t>(device)].retained < 0) abort();
  return 0;
}

int cuCtxSetCurrent(void* context) {
  if (!Contexts().empty()) Contexts().pop_back();
  if (context != nullptr) Contexts().push_back(reinterpret_cast<uintptr_t>(context));
  return 0;
}

int cuCtxPushCurrent_v2(void* context) {
  if (context == nullptr) return kInvalidContext;
  Contexts().push_back(reinterpret_cast<uintptr_t>(context));
  return 0;
}

int cuCtxPopCurrent_v2(void** context) {
  if (Contexts().empty()) return kInvalidContext;
  *context = reinterpret_cast<void*>(Contexts().back());
  Contexts().pop_back();
  return 0;
}

int cuCtxSynchronize() { return CurrentDevice() < 0 ? kInvalidContext : 0; }

int cuMemGetInfo_v2(size_t* free, size_t* total) {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (CurrentDevice() < 0) return kInvalidContext;
  *total = state.bytes_each;
  *free = state.bytes_each - state.devices[static_cast<size_t>(CurrentDevice())].used;
  return 0;
}

int cuMemAlloc_v2(uint64_t* pointer, size_t bytes) {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  const int device = CurrentDevice();
  if (device < 0) return kInvalidContext;
  if (bytes == 0) return kInvalidValue;
  Device& owner = state.devices[static_cast<size_t>(device)];
  if (bytes > state.bytes_each - owner.used) return kOutOfMemory;
  void* untouchable = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (untouchable == MAP_FAILED || pages == MAP_FAILED) return kOutOfMemory;
  owner.used += bytes;
  *pointer = reinterpret_cast<uint64_t>(untouchable);
  state.allocations[*pointer] = {device, bytes, static_cast<uint8_t*>(pages)};
  return 0;
}

int cuMemFree_v2(uint64_t pointer) {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  const auto found = state.allocations.find(pointer);
  if (found == state.allocations.end()) return kInvalidValue;
  munmap(reinterpret_cast<void*>(pointer), found->second.bytes);
  munmap(found->second.pages, found->second.bytes);
  state.devices[static_cast<size_t>(found->second.device)].used -= found->second.bytes;
  state.allocations.erase(found);
  return 0;
}

int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (CurrentDevice() < 0) return kInvalidContext;
  uint8_t* pages = Touchable(state, to, bytes, CurrentDevice());
  if (pages == nullptr || Touchable(state, reinterpret_cast<uint64_t>(from), 1, -1) != nullptr) return kInvalidValue;
  memcpy(pages, from, bytes);
  return 0;
}

int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (CurrentDevice() < 0) return kInvalidContext;
  const uint8_t* pages = Touchable(state, from, bytes, CurrentDevice());
  if (pages == nullptr || Touchable(state, reinterpret_cast<uint64_t>(to), 1, -1) != nullptr) return kInvalidValue;
  memcpy(to, pages, bytes);
  return 0;
}

int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (CurrentDevice() < 0) return kInvalidContext;
  uint8_t* target = Touchable(state, to, bytes, CurrentDevice());
  const uint8_t* source = Touchable(state, from, bytes, CurrentDevice());
  if (target == nullptr || source == nullptr) return kInvalidValue;
  memmove(target, source, bytes);
  return 0;
}

int cuMemcpyPeer(uint64_t to, void* to_context, uint64_t from, void* from_context, size_t bytes) {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  const auto device = [](void* context) { return static_cast<int>(reinterpret_cast<uintptr_t>(context)) - 1; };
  uint8_t* target = Touchable(state, to, bytes, device(to_context));
  const uint8_t* source = Touchable(state, from, bytes, device(from_context));
  if (target == nullptr || source == nullptr) return kInvalidValue;
  memmove(target, source, bytes);
  return 0;
}

int cuGetErrorName(int result, const char** name) {
  switch (result) {
    case 0: *name = "CUDA_SUCCESS"; return 0;
    case kInvalidValue: *name = "CUDA_ERROR_INVALID_VALUE"; return 0;
    case kOutOfMemory: *name = "CUDA_ERROR_OUT_OF_MEMORY"; return 0;
    case kNotInitialized: *name = "CUDA_ERROR_NOT_INITIALIZED"; return 0;
    case kInvalidDevice: *name = "CUDA_ERROR_INVALID_DEVICE"; return 0;
    case kInvalidContext: *name = "CUDA_ERROR_INVALID_CONTEXT"; return 0;
    default: return kInvalidValue;
  }
}

int cuGetErrorString(int result, const char** text) {
  switch (result) {
    case kInvalidValue: *text = "invalid argument"; return 0;
    case kOutOfMemory: *text = "out of memory"; return 0;
    case kInvalidDevice: *text = "invalid device ordinal"; return 0;
    default: return cuGetErrorName(result, text);
  }
}

// For tests: what is left, and where the processor may look at device memory.
uint64_t waybill_fake_cuda_allocations() {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  return state.allocations.size();
}

int waybill_fake_cuda_retained(int device) {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  return state.devices[static_cast<size_t>(device)].retained;
}

void* waybill_fake_cuda_touchable(uint64_t pointer, uint64_t bytes) {
  State& state = Get();
  const std::lock_guard<std::mutex> lock(state.mutex);
  return Touchable(state, pointer, bytes, -1);
}

}  // extern "C"
