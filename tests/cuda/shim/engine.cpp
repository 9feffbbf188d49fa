// The fibers, their schedule, barriers and warps. Built without ThreadSanitizer even where kernels are built with it:
// what orders the kernels' memory accesses are the barriers alone, told to it by hand.
#include "engine.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <stdexcept>

#include "switch.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(GNNCTL_SHIM_TSAN)
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#define TSAN(...) __VA_ARGS__
#else
#define TSAN(...)
#endif

namespace shim {

Coordinates thread_index, block_index, block_size, grid_size;

namespace {

Traffic* traffic = nullptr;  // of the running block

constexpr int size_class(std::size_t bytes) { return bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : bytes == 8 ? 3 : 4; }

constexpr std::size_t kStack = 256 * 1024;
constexpr std::size_t kCarriers = 521;  // a prime: in time every thread meets each of them
constexpr unsigned kNoSync = 1;  // of __tsan_switch_to_fiber: a switch orders nothing

enum class State { ready, at_barrier, at_meeting, done };

// A stack, and the thread that ThreadSanitizer takes its user for.
struct Carrier {
    char* memory = nullptr;
    TSAN(void* tsan = nullptr;)
};

struct Fiber {
    Carrier* carrier = nullptr;
    void* stack = nullptr;     // saved stack pointer
    State state = State::done;
    const void* site = nullptr;
    unsigned mask = 0;
    unsigned meetings = 0;
};

struct Meeting {
    Gifts gifts;
    unsigned arrived = 0;
    const void* site = nullptr;
    char* token = nullptr;
};
struct Warp {
    Meeting meetings[2];  // a lane is at most one ahead of the others
};

struct Arena {
    const void* site;
    void* memory;
    std::align_val_t alignment;
    ~Arena() { ::operator delete(memory, alignment); }
};

Schedule schedule = Schedule::forward;
std::mt19937_64 random_order(0);
std::vector<Fiber> fibers;
std::vector<Carrier> carriers;
std::size_t turn = 0;  // blocks so far
std::vector<Warp> warps;
std::vector<std::unique_ptr<Arena>> arenas;
std::vector<std::unique_ptr<char>> tokens;  // never the same address twice within a launch
char *barrier_token = nullptr, *start_token = nullptr, *end_token = nullptr;
void* scheduler_stack = nullptr;
#if defined(__SANITIZE_ADDRESS__)
const void* scheduler_bottom = nullptr;
std::size_t scheduler_size = 0;
#endif
TSAN(void* scheduler_fiber = nullptr;)
std::size_t current = 0, arrived = 0;
const std::function<void()>* body = nullptr;
std::string failure;

char* fresh_token() {
    tokens.push_back(std::make_unique<char>());
    return tokens.back().get();
}

char* new_stack() {
    void* memory = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return static_cast<char*>(memory);
}

void to_scheduler([[maybe_unused]] bool last) {
    Fiber& self = fibers[current];
    TSAN(__tsan_switch_to_fiber(scheduler_fiber, kNoSync);)
#if defined(__SANITIZE_ADDRESS__)
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(last ? nullptr : &fake, scheduler_bottom, scheduler_size);
#endif
    gnnctl_switch(&self.stack, scheduler_stack);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void entry() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_bottom, &scheduler_size);
#endif
    TSAN(__tsan_acquire(start_token);)
    (*body)();
    TSAN(__tsan_release(end_token);)
    fibers[current].state = State::done;
    to_scheduler(true);
    std::abort();
}

void resume(std::size_t index) {
    current = index;
    thread_index.x = static_cast<unsigned>(index);
    Fiber& fiber = fibers[index];
    TSAN(__tsan_switch_to_fiber(fiber.carrier->tsan, kNoSync);)
#if defined(__SANITIZE_ADDRESS__)
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, fiber.carrier->memory, kStack);
#endif
    gnnctl_switch(&scheduler_stack, fiber.stack);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void prepare(std::size_t index) {
    Fiber& fiber = fibers[index];
    // Who carries both a thread of this block and one of another orders the two, which hides a race between them. New
    // carriers for every block would take a hundred times as long: they are dealt out anew instead, so that it happens
    // to few pairs of threads, and to others in every launch.
    std::size_t seat = index;
    TSAN(seat = (turn * (fibers.size() + 1) + index) % carriers.size();)
    fiber.carrier = &carriers[seat];
    if (fiber.carrier->memory == nullptr) {
        fiber.carrier->memory = new_stack();
        TSAN(fiber.carrier->tsan = __tsan_create_fiber(0);)
    }
    fiber.stack = gnnctl_new_stack(fiber.carrier->memory + kStack, entry);
    fiber.state = State::ready;
    fiber.site = nullptr;
    fiber.meetings = 0;
}

void order(std::vector<std::int64_t>& items) {
    if (schedule == Schedule::reverse) std::reverse(items.begin(), items.end());
    if (schedule == Schedule::random) std::shuffle(items.begin(), items.end(), random_order);
}

// All that are alive wait at the same barrier: let them on. A thread that ended while others wait is a fault.
bool release_barrier() {
    const void* site = nullptr;
    std::size_t waiting = 0, done = 0;
    for (const Fiber& fiber : fibers) {
        done += fiber.state == State::done;
        if (fiber.state != State::at_barrier) continue;
        if (waiting++ > 0 && fiber.site != site) failure = "threads of a block wait at different barriers";
        site = fiber.site;
    }
    if (waiting == 0) return false;
    if (waiting + done < fibers.size()) failure = "threads wait at a barrier, others at a warp's meeting that never comes";
    if (done > 0) failure = "a barrier that some threads of the block never reach";
    if (!failure.empty()) return false;
    for (Fiber& fiber : fibers) fiber.state = State::ready;
    return true;
}

void run_block() {
    arenas.clear();
    for (Warp& warp : warps) warp = Warp{};
    barrier_token = fresh_token();
    arrived = 0;
    ++turn;
    for (std::size_t i = 0; i < fibers.size(); ++i) prepare(i);
    std::vector<std::int64_t> queue;
    while (failure.empty()) {
        queue.clear();
        for (std::size_t i = 0; i < fibers.size(); ++i)
            if (fibers[i].state == State::ready) queue.push_back(static_cast<std::int64_t>(i));
        if (queue.empty()) {
            if (release_barrier()) continue;
            break;
        }
        order(queue);
        for (const std::int64_t i : queue) {
            resume(static_cast<std::size_t>(i));
            if (!failure.empty()) return;
        }
    }
    if (failure.empty())
        for (const Fiber& fiber : fibers)
            if (fiber.state != State::done) failure = "lanes of a warp wait for others that never come";
}

}  // namespace

void set_schedule(Schedule wanted, std::uint64_t seed) {
    schedule = wanted;
    random_order.seed(seed);
}

void count_load(std::size_t bytes) { traffic->loaded[size_class(bytes)] += static_cast<std::int64_t>(bytes); }
void count_store(std::size_t bytes) { traffic->stored[size_class(bytes)] += static_cast<std::int64_t>(bytes); }

std::vector<Launch>& launches() {
    static std::vector<Launch> all;
    return all;
}

void launch(const char* name, std::int64_t blocks, int threads, const std::function<void()>& kernel) {
    launches().push_back({name, blocks, threads, std::vector<Traffic>(static_cast<std::size_t>(blocks))});
    failure.clear();
    body = &kernel;
    const auto count = static_cast<std::size_t>(threads);
    fibers.assign(count, Fiber{});
    if (carriers.size() < kCarriers) carriers.resize(kCarriers);
    if (count > kCarriers) throw std::runtime_error(std::string(name) + ": more threads than the shim carries");
    warps.assign((count + kWarp - 1) / kWarp, Warp{});
    tokens.clear();
    start_token = fresh_token();
    end_token = fresh_token();
    TSAN(scheduler_fiber = __tsan_get_current_fiber(); __tsan_release(start_token);)
    block_size = {static_cast<unsigned>(threads), 1, 1};
    grid_size = {static_cast<unsigned>(blocks), 1, 1};
    std::vector<std::int64_t> sequence(static_cast<std::size_t>(blocks));
    for (std::int64_t i = 0; i < blocks; ++i) sequence[static_cast<std::size_t>(i)] = i;
    order(sequence);
    for (const std::int64_t block : sequence) {
        block_index.x = static_cast<unsigned>(block);
        traffic = &launches().back().traffic[static_cast<std::size_t>(block)];
        run_block();
        if (!failure.empty()) throw std::runtime_error(std::string(name) + ": block " + std::to_string(block) + ": " + failure);
    }
    TSAN(__tsan_acquire(end_token);)
}

void barrier(const void* site) {
    Fiber& self = fibers[current];
    self.site = site;
    self.state = State::at_barrier;
    [[maybe_unused]] char* token = barrier_token;
    TSAN(__tsan_release(token);)
    if (++arrived == fibers.size()) barrier_token = fresh_token(), arrived = 0;
    to_scheduler(false);
    TSAN(__tsan_acquire(token);)
}

void* shared(const void* site, std::size_t bytes, std::size_t alignment) {
    for (const auto& arena : arenas)
        if (arena->site == site) return arena->memory;
    // An allocation of its own, so that AddressSanitizer sees its ends; bytes of 0xFF are NaNs: nothing may be assumed.
    const std::align_val_t wanted{alignment};
    void* memory = ::operator new(bytes, wanted);
    std::memset(memory, 0xFF, bytes);
    arenas.push_back(std::unique_ptr<Arena>(new Arena{site, memory, wanted}));
    return memory;
}

void fail(const std::string& problem) {
    failure = problem + " (thread " + std::to_string(thread_index.x) + ")";
    to_scheduler(false);
    std::abort();
}

unsigned lane() { return static_cast<unsigned>(current % kWarp); }

const Gifts& meet(const void* site, unsigned mask, const void* mine, std::size_t size) {
    const std::size_t warp_index = current / kWarp;
    Fiber& self = fibers[current];
    Meeting& meeting = warps[warp_index].meetings[self.meetings++ % 2];
    const unsigned full = fibers.size() - warp_index * kWarp >= kWarp ? ~0u : (1u << (fibers.size() % kWarp)) - 1;
    if (size > kMostBytes) fail("a warp's exchange of too many bytes");
    if (mask != full) fail("a warp's exchange without some of its lanes: the shim knows only whole warps");
    if (meeting.arrived == 0) {
        meeting.site = site;
        meeting.token = fresh_token();
    }
    if (meeting.site != site) fail("lanes of a warp meet at different places");
    std::memcpy(meeting.gifts[lane()], mine, size);
    [[maybe_unused]] char* token = meeting.token;
    TSAN(__tsan_release(token);)
    meeting.arrived |= 1u << lane();
    if (meeting.arrived == mask) {
        meeting.arrived = 0;
        for (std::size_t i = warp_index * kWarp; i < std::min(fibers.size(), (warp_index + 1) * kWarp); ++i)
            if (fibers[i].state == State::at_meeting) fibers[i].state = State::ready;
    } else {
        self.state = State::at_meeting;
        to_scheduler(false);
    }
    TSAN(__tsan_acquire(token);)
    return meeting.gifts;
}

}  // namespace shim
