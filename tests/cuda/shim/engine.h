// A GPU's execution model on one CPU thread: the threads of a block are fibers, blocks run one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace shim {

struct Coordinates {
    unsigned x = 0, y = 0, z = 0;
};
extern Coordinates thread_index, block_index, block_size, grid_size;

// The order in which runnable threads of a block, and blocks, are taken.
enum class Schedule { forward, reverse, random };
void set_schedule(Schedule schedule, std::uint64_t seed);

// What a block read with __ldg and wrote with put, in bytes, by the size of the access (1, 2, 4, 8, 16 bytes).
constexpr int kSizes = 5;
struct Traffic {
    std::int64_t loaded[kSizes] = {};
    std::int64_t stored[kSizes] = {};
};
struct Launch {
    std::string name;
    std::int64_t blocks = 0;
    int threads = 0;
    std::vector<Traffic> traffic;  // by block
};
std::vector<Launch>& launches();
// In the engine, so that ThreadSanitizer does not take the counters for the kernels' own memory.
void count_load(std::size_t bytes);
void count_store(std::size_t bytes);

// Runs a kernel to its end. Throws std::runtime_error where a thread failed, or the threads of a block did not meet.
void launch(const char* name, std::int64_t blocks, int threads, const std::function<void()>& kernel);

// Called by kernels. `site` tells one barrier or collective from another.
void barrier(const void* site);
void* shared(const void* site, std::size_t bytes, std::size_t alignment);
[[noreturn]] void fail(const std::string& problem);

// A warp's lanes meet: each hands over `size` bytes; once all are there, whatever lane i gave stands at [i].
constexpr int kWarp = 32, kMostBytes = 64;
using Gifts = unsigned char[kWarp][kMostBytes];
const Gifts& meet(const void* site, unsigned mask, const void* mine, std::size_t size);
unsigned lane();

}  // namespace shim
