// A UCX within one process: workers are connected by queues, and every promise that the real one is made is taken at its word.
//
// Headers and bodies are read when a message arrives, on the receiver's thread, and not before, unless the send completed at once;
// what a handler gets is gone when it returns; each rendezvous copies on the receiver's thread some turns later; requests that
// nobody frees are leaks. So the sanitizers see what is kept too short, too long or without a lock. Messages, completions and
// ends come in an order that a seed decides; messages may overtake each other.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "ucx/api.h"

namespace waybill::fake {

/// The functions, as the engine takes them.
const ucx::Api& FakeApi();

/// What the coming decisions (at once or later) depend on.
void Seed(uint32_t seed);

/// Every message goes through it, on any worker's thread: its header may be changed, and its body, which is empty for a rendezvous.
/// Null: nothing is changed.
using Spoil = std::function<void(std::vector<uint8_t>* header, std::vector<uint8_t>* body)>;
void SpoilMessages(Spoil spoil);

/// Where device memory may be touched; nullptr for what is none. Default: nothing is device memory.
void SetTouchable(void* (*touchable)(uint64_t pointer, uint64_t bytes));

/// Workers, endpoints, registered memories and contexts that are left.
uint64_t Left();

}  // namespace waybill::fake
