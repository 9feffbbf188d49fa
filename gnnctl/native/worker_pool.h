// A process-wide pool of sleeping threads: parts of one job are handed out as threads become free.
#pragma once

#include <cstdint>
#include <functional>

namespace gnnctl {

// Calls work(part) once for every part in [0, parts), on at most `threads` threads, the caller among them.
// `work` must not throw. Which thread runs a part is unspecified, so a part must own what it writes.
void run_parts(int threads, std::int64_t parts, const std::function<void(std::int64_t)>& work);

// Splits destinations [0, num_dst) into contiguous ranges of about equal edges + destinations and calls
// work(first, last) for each. Small jobs stay on the calling thread.
void run_destinations(int threads, const std::int64_t* colptr, std::int64_t num_dst, std::int64_t cost_per_edge,
                      const std::function<void(std::int64_t, std::int64_t)>& work);

}  // namespace gnnctl
