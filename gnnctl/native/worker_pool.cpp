// The pool outlives every caller (it is never destroyed) and starts anew in a forked child, whose threads are gone.
#include "worker_pool.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace gnnctl {
namespace {

struct Job {
    const std::function<void(std::int64_t)>* work = nullptr;
    std::int64_t parts = 0;
    std::atomic<std::int64_t> next{0};
    std::atomic<std::int64_t> done{0};

    // Touches `work` only while a part is unfinished: the caller returns, and `work` dies, when all are done.
    void help() {
        for (;;) {
            const std::int64_t part = next.fetch_add(1, std::memory_order_relaxed);
            if (part >= parts) return;
            (*work)(part);
            if (done.fetch_add(1, std::memory_order_acq_rel) + 1 == parts) done.notify_all();
        }
    }
};

class Pool {
public:
    void run(int threads, std::int64_t parts, const std::function<void(std::int64_t)>& work) {
        auto job = std::make_shared<Job>();
        job->work = &work;
        job->parts = parts;
        const int helpers = static_cast<int>(std::min<std::int64_t>(threads, parts)) - 1;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            while (started_ < helpers) {
                std::thread([this] { serve(); }).detach();
                ++started_;
            }
            for (int i = 0; i < helpers; ++i) queue_.push_back(job);
        }
        if (helpers == 1) wake_.notify_one();
        else wake_.notify_all();
        job->help();
        for (std::int64_t seen = job->done.load(std::memory_order_acquire); seen < parts;
             seen = job->done.load(std::memory_order_acquire))
            job->done.wait(seen, std::memory_order_acquire);
    }

private:
    void serve() {
        for (;;) {
            std::shared_ptr<Job> job;
            {
                std::unique_lock<std::mutex> lock(mutex_);
                wake_.wait(lock, [this] { return !queue_.empty(); });
                job = std::move(queue_.front());
                queue_.pop_front();
            }
            job->help();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::shared_ptr<Job>> queue_;
    int started_ = 0;
};

Pool* current = nullptr;

Pool& pool() {
    static std::once_flag once;
    std::call_once(once, [] {
        current = new Pool;
        pthread_atfork(nullptr, nullptr, [] { current = new Pool; });
    });
    return *current;
}

// Below this many element operations waking another thread costs more than it saves.
constexpr std::int64_t kSerialWork = 1 << 16;
// More parts than threads, so that a thread which lost its core does not hold up the rest.
constexpr std::int64_t kPartsPerThread = 8;

}  // namespace

void run_parts(int threads, std::int64_t parts, const std::function<void(std::int64_t)>& work) {
    if (threads <= 1 || parts <= 1) {
        for (std::int64_t part = 0; part < parts; ++part) work(part);
        return;
    }
    pool().run(threads, parts, work);
}

void run_destinations(int threads, const std::int64_t* colptr, std::int64_t num_dst, std::int64_t cost_per_edge,
                      const std::function<void(std::int64_t, std::int64_t)>& work) {
    if (num_dst == 0) return;
    const std::int64_t edges = colptr[num_dst] - colptr[0];
    const std::int64_t total = edges + num_dst;
    if (threads <= 1 || total * std::max<std::int64_t>(cost_per_edge, 1) < kSerialWork) {
        work(0, num_dst);
        return;
    }
    const std::int64_t parts = std::min<std::int64_t>(num_dst, threads * kPartsPerThread);
    const auto boundary = [&](std::int64_t part) {
        if (part == 0) return std::int64_t{0};
        if (part == parts) return num_dst;
        const std::int64_t target = static_cast<std::int64_t>(static_cast<double>(total) * part / parts);
        std::int64_t low = 0, high = num_dst;
        while (low < high) {
            const std::int64_t middle = low + (high - low) / 2;
            if (colptr[middle] - colptr[0] + middle < target) low = middle + 1;
            else high = middle;
        }
        return low;
    };
    run_parts(threads, parts, [&](std::int64_t part) {
        const std::int64_t first = boundary(part), last = boundary(part + 1);
        if (first < last) work(first, last);
    });
}

}  // namespace gnnctl
