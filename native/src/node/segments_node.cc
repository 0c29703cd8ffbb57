// Files of shared memory, as numbers of open files.
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/segment_file.h"
#include "node/parts.h"
#include "node/values.h"

namespace waybill {
namespace {

/// The file leaves its owner here: JavaScript closes it.
napi_value MakeFile(napi_env env, SegmentFile file) {
  napi_value object = nullptr;
  napi_create_object(env, &object);
  SetField(env, object, "byteLength", MakeNumber(env, static_cast<double>(file.byte_length)));
  SetField(env, object, "fd", MakeNumber(env, file.fd.Release()));
  return object;
}

napi_value CreateSegment(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  std::string path;
  uint64_t byte_length = 0;
  if (!arguments.String(0, "path", &path) || !arguments.Integer(1, "byteLength", &byte_length)) return nullptr;
  SegmentFile file;
  const Status status = CreateSegmentFile(path, byte_length, &file);
  if (!status.ok()) return ThrowStatus(env, "Cannot create the segment \"" + path + "\"", status);
  return MakeFile(env, std::move(file));
}

napi_value CreateMemory(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  std::string name;
  uint64_t byte_length = 0;
  if (!arguments.String(0, "name", &name) || !arguments.Integer(1, "byteLength", &byte_length)) return nullptr;
  SegmentFile file;
  const Status status = CreateMemorySegment(name, byte_length, &file);
  if (!status.ok()) return ThrowStatus(env, "Cannot create the memory segment \"" + name + "\"", status);
  return MakeFile(env, std::move(file));
}

napi_value OpenSegment(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  std::string path;
  bool writable = false;
  if (!arguments.String(0, "path", &path) || !arguments.Boolean(1, "writable", &writable)) return nullptr;
  SegmentFile file;
  const Status status = OpenSegmentFile(path, writable, &file);
  if (!status.ok()) return ThrowStatus(env, "Cannot open the segment \"" + path + "\"", status);
  return MakeFile(env, std::move(file));
}

napi_value CloseSegment(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uint64_t fd = 0;
  if (!arguments.Integer(0, "fd", &fd)) return nullptr;
  if (close(static_cast<int>(fd)) != 0) return ThrowStatus(env, "Cannot close a segment", Status::Errno("close"));
  return MakeUndefined(env);
}

napi_value UnlinkSegment(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  std::string path;
  if (!arguments.String(0, "path", &path)) return nullptr;
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ThrowStatus(env, "Cannot remove the segment \"" + path + "\"", Status::Errno("unlink"));
  }
  return MakeUndefined(env);
}

napi_value SweepSegments(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  std::string folder;
  std::string prefix;
  if (!arguments.String(0, "folder", &folder) || !arguments.String(1, "prefix", &prefix)) return nullptr;
  Swept swept;
  const Status status = SweepSegmentFiles(folder, prefix, &swept);
  if (!status.ok()) return ThrowStatus(env, "Cannot sweep the segments in \"" + folder + "\"", status);
  napi_value object = nullptr;
  napi_create_object(env, &object);
  SetField(env, object, "removed", MakeStrings(env, swept.removed));
  SetField(env, object, "kept", MakeStrings(env, swept.kept));
  return object;
}

napi_value SegmentSpace(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  std::string folder;
  if (!arguments.String(0, "folder", &folder)) return nullptr;
  struct statvfs facts {};
  if (statvfs(folder.c_str(), &facts) != 0) {
    return ThrowStatus(env, "Cannot read the space in \"" + folder + "\"", Status::Errno("statvfs"));
  }
  const double block = static_cast<double>(facts.f_frsize);
  napi_value object = nullptr;
  napi_create_object(env, &object);
  SetField(env, object, "totalBytes", MakeNumber(env, block * static_cast<double>(facts.f_blocks)));
  SetField(env, object, "freeBytes", MakeNumber(env, block * static_cast<double>(facts.f_bavail)));
  return object;
}

}  // namespace

void DefineSegments(napi_env env, napi_value exports) {
  DefineFunction(env, exports, "createSegment", CreateSegment);
  DefineFunction(env, exports, "createMemorySegment", CreateMemory);
  DefineFunction(env, exports, "openSegment", OpenSegment);
  DefineFunction(env, exports, "closeSegment", CloseSegment);
  DefineFunction(env, exports, "unlinkSegment", UnlinkSegment);
  DefineFunction(env, exports, "sweepSegments", SweepSegments);
  DefineFunction(env, exports, "segmentSpace", SegmentSpace);
}

}  // namespace waybill
