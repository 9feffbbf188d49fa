// Rows of mapped files that are not in memory. Touching one waits for the disk, and for its neighbours too, which are
// read along; asked for all at once, disks answer many at a time.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace gnnctl {

// Whether the page at an address is in memory; true where the system does not tell.
inline bool in_memory(std::uintptr_t page, std::size_t page_bytes) {
#ifdef __APPLE__
    char seen = 1;
#else
    unsigned char seen = 1;
#endif
    return mincore(reinterpret_cast<void*>(page), page_bytes, &seen) != 0 || (seen & 1) != 0;
}

// Asks the disk for rows of `width` bytes, where a few of them, looked at first, are not all in memory.
// address(i), i below count, is a row's, or 0 for none.
template <class Address>
void ask_disk(std::size_t count, std::size_t width, Address&& address) {
    constexpr std::size_t kProbes = 16;
    if (count == 0 || width == 0) return;
    static const auto page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const auto page_of = [](std::uintptr_t at) { return at / page_bytes * page_bytes; };
    const std::size_t step = count / kProbes + 1;
    bool all = true;
    for (std::size_t i = 0; i < count && all; i += step) {
        const std::uintptr_t at = address(i);
        all = at == 0 || in_memory(page_of(at), page_bytes);
    }
    if (all) return;
    std::uintptr_t asked = 0;  // the page after the last one that was asked for: rows in order share pages
    for (std::size_t i = 0; i < count; ++i) {
        const std::uintptr_t at = address(i);
        if (at == 0) continue;
        const std::uintptr_t first = page_of(at), end = page_of(at + width - 1) + page_bytes;
        if (end == asked) continue;
        madvise(reinterpret_cast<void*>(first), end - first, MADV_WILLNEED);
        asked = end;
    }
}

}  // namespace gnnctl
