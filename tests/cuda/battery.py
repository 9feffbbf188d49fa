"""Every kernel once against NumPy in float64, without torch: what runs under sanitizers and what mutants must fail.

python battery.py EXTENSION [CASE...]
"""

import importlib.util
import sys

import numpy as np

CODES = {"float32": 0, "float64": 1, "float16": 3, "int32": 4, "int64": 5}


class Battery:
    """Cases on one extension; each is a method whose name begins with ``case_``."""

    def __init__(self, path):
        spec = importlib.util.spec_from_file_location("_emulated", path)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.rng = np.random.default_rng(0)
        self.held = []

    def place(self):
        """Scratch memory is allocated exactly: an access beyond it is seen."""

        def scratch(size):
            self.held.append(np.empty(size, np.uint8))
            return self.held[-1].ctypes.data

        return self.module.Place(0, 0, scratch)

    def array(self, values):
        return self.module.Array(values, values.ctypes.data, CODES[str(values.dtype)], values.shape)

    def edges(self, csc):
        colptr, row, num_src = csc
        return self.module.Edges(self.array(colptr), self.array(row), None, num_src)

    def random(self, *shape, dtype=np.float32):
        """Multiples of an eighth, whose sums are exact."""
        return (self.rng.integers(-16, 17, shape) / 8).astype(dtype)

    def graph(self, num_src=30, num_dst=25, count=400):
        """(colptr, row, num_src): destination 3 has half of the edges, so that it lies in several chunks."""
        col = self.rng.integers(0, num_dst, count)
        col[: count // 2] = 3
        order = np.argsort(col, kind="stable")
        colptr = np.concatenate([[0], np.bincount(col, minlength=num_dst).cumsum()]).astype(np.int64)
        return colptr, self.rng.integers(0, num_src, count)[order].astype(np.int32), num_src

    def case_aggregate(self):
        colptr, row, _ = csc = self.graph()
        num_dst, parts = len(colptr) - 1, range(len(colptr) - 1)
        for width, heads in ((8, 2), (3, 1), (33, 1)):
            x, weight = self.random(30, width), self.random(len(row), heads)
            message = x[row].astype(float) * np.repeat(weight, width // heads, 1)
            out = np.full((num_dst, 4, width), np.nan, np.float32)
            average = np.full((num_dst, width), np.nan, np.float32)
            least, most = (np.full((num_dst, width), -7, np.int32) for _ in range(2))
            reduces = ["sum", "min", "max", "var"]
            results = self.module.Results(reduces, *map(self.array, (out, average, least, most)))
            self.module.aggregate(self.place(), self.edges(csc), self.array(x), self.array(weight), results)
            for d in parts:
                of = message[colptr[d] : colptr[d + 1]]
                wanted = [of.sum(0), of.min(0), of.max(0), of.var(0)] if len(of) else np.zeros((4, width))
                np.testing.assert_allclose(out[d], wanted, rtol=1e-4, atol=1e-3)
            alone = np.full((num_dst, width), np.nan, np.float32)
            self.module.aggregate(
                self.place(), self.edges(csc), self.array(x), None, self.module.Results(["sum"], self.array(alone))
            )
            wanted = np.stack([x[row[colptr[d] : colptr[d + 1]]].astype(float).sum(0) for d in parts])
            np.testing.assert_array_equal(alone, wanted)

    def case_gradient(self):
        colptr, row, num_src = csc = self.graph()
        col = np.repeat(np.arange(len(colptr) - 1), np.diff(colptr)).astype(np.int32)
        perm = np.argsort(row, kind="stable").astype(np.int32)
        rowptr = np.concatenate([[0], np.bincount(row, minlength=num_src).cumsum()]).astype(np.int64)
        view = self.module.Edges(*map(self.array, (rowptr, col[perm], perm)), len(colptr) - 1)
        for width in (4, 5):
            x, weight, grad = (
                self.random(num_src, width),
                self.random(len(row), 1),
                self.random(len(colptr) - 1, 1, width),
            )
            out, most = np.full_like(grad, np.nan), np.full((len(colptr) - 1, width), -7, np.int32)
            results = self.module.Results(["max"], self.array(out), None, None, self.array(most))
            self.module.aggregate(self.place(), self.edges(csc), self.array(x), self.array(weight), results)
            found, by_edge = np.full_like(x, np.nan), np.full_like(weight, np.nan)
            given = (self.place(), self.edges(csc), self.array(grad), results, None)
            self.module.by_source(*given, view, None, self.array(weight), self.array(found))
            self.module.by_edge(*given, self.array(x), self.array(weight), self.array(by_edge))
            rank = np.arange(len(row)) - colptr[col]
            chosen = np.where(most[col] == rank[:, None], grad[col, 0], 0).astype(float)
            wanted = np.zeros(x.shape)
            np.add.at(wanted, row, chosen * weight)
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(by_edge[:, 0], (chosen * x[row]).sum(1), rtol=1e-5, atol=1e-5)

    def case_attention(self):
        colptr, row, num_src = csc = self.graph()
        num_dst, heads = len(colptr) - 1, 2
        col = np.repeat(np.arange(num_dst), np.diff(colptr))
        for width in (8, 5):
            src, dst, edge = (self.random(n, heads) for n in (num_src, num_dst, len(row)))
            x, grad = self.random(num_src, heads * width), self.random(num_dst, heads * width)
            raw = src[row].astype(float) + dst[col] + edge
            score = np.where(raw > 0, raw, raw * 0.2)
            share = np.exp(score)
            total = np.zeros((num_dst, heads))
            np.add.at(total, col, share)
            prob = share / total[col]
            wanted = np.zeros((num_dst, heads, width))
            np.add.at(wanted, col, prob[:, :, None] * x[row].reshape(-1, heads, width))
            edges = self.edges(csc)
            scores = self.module.Scores(edges, *map(self.array, (src, dst, edge)), 0.2)
            out = np.full((num_dst, heads * width), np.nan, np.float32)
            peak, scale = (np.full((num_dst, heads), np.nan, np.float32) for _ in range(2))
            given = [self.array(values) for values in (x, out, peak, scale)]
            self.module.attend(self.place(), edges, scores, *given)
            np.testing.assert_allclose(out.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-4)
            found, by_score = (np.full((len(row), heads), np.nan, np.float32) for _ in range(2))
            given = [self.array(values) for values in (x, out, grad, peak, scale, found, by_score)]
            self.module.attend_backward(self.place(), edges, scores, *given)
            np.testing.assert_allclose(found, prob, rtol=1e-4, atol=1e-5)
            along = (grad[col].reshape(-1, heads, width) * (x[row].reshape(-1, heads, width) - wanted[col])).sum(2)
            np.testing.assert_allclose(by_score, prob * along * np.where(raw > 0, 1, 0.2), rtol=1e-3, atol=1e-4)
            self.module.softmax(self.place(), scores, self.array(found))
            np.testing.assert_allclose(found, prob, rtol=1e-4, atol=1e-5)

    def case_segments(self):
        colptr, row, _ = self.graph()
        segments = self.module.Edges(self.array(colptr), None, None, len(row))
        for width in (4, 7):
            x = self.random(len(row), width)
            out = np.full((len(colptr) - 1, width), np.nan, np.float32)
            self.module.logsumexp(self.place(), segments, self.array(x), self.array(out))
            for d, found in enumerate(out):
                of = x[colptr[d] : colptr[d + 1]].astype(float)
                np.testing.assert_allclose(
                    found, np.log(np.exp(of).sum(0)) if len(of) else -np.inf, rtol=1e-5, atol=1e-5
                )
            rows = np.full((len(row), width), np.nan, np.float32)
            self.module.gather(self.place(), self.array(out), self.array(row % np.int32(len(out))), self.array(rows))
            np.testing.assert_array_equal(rows, out[row % len(out)])

    def case_nonsense(self):
        """Segments that fall or leave the rows: any result, but no access outside of what was given."""
        far = 10**12
        for colptr in ([0, 2, 2, 9], [5, 3, 1, 0], [0, far, 2, 6], [far] * 4, [-far] * 4, [0, 6, 0, 6], [0, -3, 4, 6]):
            for count in (6, 200):
                ptr, x = np.array(colptr, np.int64), self.random(count, 5)
                out, weight = np.zeros((3, 5), np.float32), self.random(3, 5, 5)
                most, rows = np.zeros((3, 5), np.int32), np.zeros_like(x)
                segments = self.module.Edges(self.array(ptr), None, None, count)
                results = self.module.Results(["max"], self.array(out), None, None, self.array(most))
                self.module.aggregate(self.place(), segments, self.array(x), None, results)
                self.module.spread(self.place(), segments, self.array(out), results, None, self.array(rows))
                self.module.logsumexp(self.place(), segments, self.array(x), self.array(out))
                given = [self.array(values) for values in (x, ptr, weight)]
                self.module.segment_matmul(self.place(), *given, False, None, self.array(rows), False)
                given = [self.array(values) for values in (x, ptr, x, weight)]
                self.module.segment_outer(self.place(), *given, False)

    def case_products(self):
        ptr = np.array([0, 0, 70, 71, 200], np.int64)
        for dtype, tf32 in ((np.float32, False), (np.float32, True), (np.float16, False)):
            for k, m in ((40, 72), (35, 9)):
                x, grad = self.random(200, k, dtype=dtype), self.random(200, m, dtype=dtype)
                weight, bias = self.random(4, k, m, dtype=dtype), self.random(4, m, dtype=dtype)
                turned = np.ascontiguousarray(weight.transpose(0, 2, 1))
                out, outer = np.full((200, m), np.nan, dtype), np.full((4, k, m), np.nan, dtype)
                parts = [(t, slice(ptr[t], ptr[t + 1])) for t in range(4)]
                wanted = np.concatenate([x[s].astype(float) @ weight[t] + bias[t] for t, s in parts])
                for matrices, other in ((weight, False), (turned, True)):
                    given = [self.array(values) for values in (x, ptr, matrices)]
                    self.module.segment_matmul(self.place(), *given, other, self.array(bias), self.array(out), tf32)
                    np.testing.assert_allclose(out, wanted, rtol=1e-3, atol=0.05)
                given = [self.array(values) for values in (x, ptr, grad, outer)]
                self.module.segment_outer(self.place(), *given, tf32)
                np.testing.assert_allclose(
                    outer, [x[s].T.astype(float) @ grad[s] for _, s in parts], rtol=1e-3, atol=0.1
                )


def main(path, *names):
    """Run the named cases, or all, under two orders of threads."""
    battery = Battery(path)
    for schedule, seed in (("forward", 0), ("random", 1)):
        battery.module.schedule(schedule, seed)
        for name in names or [name for name in dir(battery) if name.startswith("case_")]:
            getattr(battery, name)()
    print("clean")


if __name__ == "__main__":
    main(*sys.argv[1:])
