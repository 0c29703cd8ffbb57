// Making a GPU current on a thread for good, for a library that works with its memory there, such as UCX.
#pragma once

#include <memory>

#include "cuda/driver.h"

namespace waybill::cuda {

/// What UseDevice works with from now on. The first driver that was opened stays: there is one in a process.
void KeepDriver(const std::shared_ptr<const Driver>& driver);

/// Makes a GPU's primary context current on the calling thread. False where there is no driver or no such GPU. What it retains stays
/// retained: the thread may use it until the process ends.
bool UseDevice(int ordinal);

}  // namespace waybill::cuda
