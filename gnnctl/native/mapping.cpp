// Maps the chunk files of one Zarr array side by side, as one contiguous read-only buffer.
#include <fcntl.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace py = pybind11;

namespace gnnctl {
namespace {

[[noreturn]] void fail(const std::string& path, int error) {
    py::set_error(PyExc_OSError, py::make_tuple(error, std::strerror(error), path));
    throw py::error_already_set();
}

constexpr std::size_t kMostBytes = std::size_t{1} << 62;

// The address range is reserved first and each file mapped over its part, so that rows which straddle two files
// are still contiguous. Every file but the last must therefore be a multiple of the page size.
class Mapping {
public:
    Mapping(const std::vector<std::string>& paths, std::size_t bytes_per_file, std::size_t bytes) : bytes_(bytes) {
        if (paths.empty()) throw py::value_error("paths: expected at least one file");
        if (bytes == 0 || bytes > kMostBytes) throw py::value_error("bytes: expected 1 to 2^62, got " + std::to_string(bytes));
        const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        if (bytes_per_file == 0 || (paths.size() > 1 && bytes_per_file % page != 0))
            throw py::value_error("bytes_per_file: expected a multiple of the page size, got " + std::to_string(bytes_per_file));
        if ((bytes - 1) / bytes_per_file + 1 != paths.size())
            throw py::value_error("paths: " + std::to_string(paths.size()) + " files of " + std::to_string(bytes_per_file) +
                                  " bytes do not make " + std::to_string(bytes));
        for (const std::string& path : paths)
            if (path.find('\0') != std::string::npos) throw py::value_error("paths: a zero byte in a name");
        base_ = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base_ == MAP_FAILED) fail(paths.front(), errno);
        for (std::size_t i = 0; i < paths.size(); ++i) {
            const std::size_t offset = i * bytes_per_file;
            map_file(paths[i], static_cast<char*>(base_) + offset, std::min(bytes_per_file, bytes - offset));
        }
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { release(); }

    py::buffer_info buffer() const {
        return py::buffer_info(base_, 1, py::format_descriptor<std::uint8_t>::format(), 1,
                               {static_cast<py::ssize_t>(bytes_)}, {1}, true);
    }

private:
    void map_file(const std::string& path, void* at, std::size_t bytes) {
        const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe would wait for its writer
        if (file < 0) abandon(path, errno);
        struct stat status{};
        const bool whole = fstat(file, &status) == 0 && S_ISREG(status.st_mode) && static_cast<std::size_t>(status.st_size) >= bytes;
        if (!whole) {
            close(file);
            abandon(path, S_ISDIR(status.st_mode) ? EISDIR : EIO);
        }
        void* mapped = mmap(at, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0);
        const int error = errno;
        close(file);
        if (mapped == MAP_FAILED) abandon(path, error);
    }
    [[noreturn]] void abandon(const std::string& path, int error) {
        release();
        fail(path, error);
    }
    void release() {
        if (base_ != MAP_FAILED) munmap(base_, bytes_);
        base_ = MAP_FAILED;
    }

    void* base_ = MAP_FAILED;
    std::size_t bytes_ = 0;
};

}  // namespace

void bind_mapping(py::module_& m) {
    py::class_<Mapping>(m, "Mapping", py::buffer_protocol(), "Files mapped side by side, read-only, as bytes.")
        .def(py::init<const std::vector<std::string>&, std::size_t, std::size_t>(), py::arg("paths"),
             py::arg("bytes_per_file"), py::arg("bytes"))
        .def_buffer(&Mapping::buffer);
}

}  // namespace gnnctl
