"""Neighbour sampling written once more in plain Python, from schemas/picks.md alone."""

import numpy as np

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def fnv(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def absorb(key, *words):
    for word in words:
        key = mix(key ^ mix((word + GOLDEN) & MASK))
    return key


def draw(key, i, n):
    return (mix((key + (i + 1) * GOLDEN) & MASK) * n) >> 64


def permutation(key, degree, take):
    array = list(range(degree))
    for i in range(take):
        j = i + draw(key, i, degree - i)
        array[i], array[j] = array[j], array[i]
    return array[:take]


def unit(random):
    return (random >> 11) * 2.0**-53


def random_word(key, i):
    return mix((key + (i + 1) * GOLDEN) & MASK)


def prefix(weights):
    sums, total = [], 0.0
    for w in weights:
        total += float(w)
        sums.append(total)
    return sums


def find(sums, first, last, x):
    """The first j in [first, last) with sums[j] > x; if none, the first with the last sum."""
    found = [j for j in range(first, last) if sums[j] > x]
    return found[0] if found else sums.index(sums[last - 1], first)


def weighted(key, sums, take, everything, replace):
    before = [0.0, *sums]
    if everything:
        return [j for j in range(len(sums)) if sums[j] > before[j]]
    if not sums or not sums[-1] > 0:
        return []
    if replace:
        return [find(sums, 0, len(sums), unit(random_word(key, i)) * sums[-1]) for i in range(take)]
    picked, count = [], 0
    while len(picked) < take:
        drawn = None
        for _ in range(2):
            candidate = find(sums, 0, len(sums), unit(random_word(key, count)) * sums[-1])
            count += 1
            if candidate not in picked:
                drawn = candidate
                break
        if drawn is None:
            ends, total, gaps, first = [], 0.0, [], 0
            for last in [*sorted(picked), len(sums)]:
                if last > first:
                    total += sums[last - 1] - before[first]
                ends.append(total)
                gaps.append((first, last))
                first = last + 1
            if not total > 0:
                return picked
            x = unit(random_word(key, count)) * total
            count += 1
            above = [g for g, end in enumerate(ends) if end > x]
            g = above[0] if above else ends.index(total)
            first, last = gaps[g]
            drawn = find(sums, first, last, before[first] + (x - (ends[g - 1] if g else 0.0)))
        picked.append(drawn)
    return picked


def picks(key, degree, fan_out, take, replace):
    if take == degree and (not replace or fan_out < 0):
        return list(range(degree))
    if replace:
        return [draw(key, i, degree) for i in range(take)]
    return permutation(key, degree, take)


def visible(graph, spec, edge_type, node, time):
    """Positions of the in-edges that may be drawn."""
    store = graph.edges[edge_type]
    found = range(int(store.colptr[node]), int(store.colptr[node + 1]))
    if spec.time is None:
        return list(found)
    sources = graph.nodes[edge_type.src].time

    def at(p):
        times = [] if store.time is None else [int(store.time[p])]
        times += [] if sources is None else [int(sources[store.row[p]])]
        return max(times, default=-(2**63))

    if store.time is None and sources is None:
        return list(found)
    return [p for p in found if at(p) < time or (spec.time == "until" and at(p) == time)]


def choose(graph, spec, edge_type, key, epoch, seen, fan_out, take):
    """The positions that a node takes of those it may draw, in order."""
    store, degree = graph.edges[edge_type], len(seen)
    everything = take == degree and (not spec.replace or fan_out < 0)
    if spec.draw == "recent":
        offsets = list(range(degree))[::-1][:take]
    elif spec.draw == "weighted" and store.weight is not None:
        offsets = weighted(key, prefix(store.weight[p] for p in seen), take, everything, spec.replace)
    elif spec.draw == "labor" and not everything:
        word = absorb(0, spec.seed, epoch, fnv("labor"), fnv(edge_type.src))
        offsets = sorted(range(degree), key=lambda j: (absorb(word, int(store.row[seen[j]])), j))[:take]
    else:
        offsets = picks(key, degree, fan_out, take, spec.replace)
    return [seen[j] for j in offsets]


def wanted(fan_out, degree, replace):
    if fan_out < 0 or degree == 0:
        return degree
    return fan_out if replace else min(fan_out, degree)


def share(key, takes, budget):
    """What each edge type may draw, when a node's types together draw at most ``budget``."""
    if budget < 0 or sum(takes) <= budget:
        return takes
    level = max(L for L in range(budget + 1) if sum(min(t, L) for t in takes) <= budget)
    left = budget - sum(min(t, level) for t in takes)
    above = [i for i, t in enumerate(takes) if t > level]
    lucky = {above[i] for i in permutation(key, len(above), left)}
    return [min(t, level) + (i in lucky) for i, t in enumerate(takes)]


def sample(graph, spec, seeds, node_type, epoch, times=None):
    """Returns (nodes by type, hop of each, edges by type as (row, col, pos), group of each node by type)."""
    numbered = [(node_type, int(s), i) for i, s in enumerate(seeds)]
    return sample_many(graph, spec, numbered, epoch, (node_type, [int(s) for s in seeds]), times)


def link_word(edge_type, src, dst):
    return absorb(0, fnv(str(edge_type)), int(src), int(dst))


def sample_many(graph, spec, seeds, epoch, trees, times=None, hidden=()):
    """As sample(), for seeds (type, node, group); trees are (kind, word of each group).

    Hidden edges are (type, group, source, target): the seeds of the group do not see them.
    """
    nodes = {t: [] for t in graph.node_types}
    index = {t: {} for t in graph.node_types}
    edges = {t: [] for t in graph.edge_types}
    kind, words = trees
    hidden = set(hidden)

    def add(t, node, group, hop):
        name = (group, node) if spec.disjoint else node
        if name not in index[t]:
            index[t][name] = len(nodes[t])
            nodes[t].append((node, hop, group))
        return index[t][name]

    for t, node, group in seeds:
        add(t, node, group, 0)

    def key_of(name, node, group):
        if spec.disjoint:
            time = [] if times is None else [int(times[group]) & MASK]
            return absorb(0, spec.seed, epoch, fnv(kind), fnv(name), words[group], *time, node)
        return absorb(0, spec.seed, epoch, fnv(name), node)

    for hop in range(spec.hops):
        frontier = {t: [(i, *n) for i, n in enumerate(nodes[t]) if n[1] == hop] for t in graph.node_types}
        for t in graph.edge_types:
            for local, v, _, group in frontier[t.dst]:
                time = None if times is None else int(times[group])
                into = [u for u in graph.edge_types if u.dst == t.dst]
                seen = {u: visible(graph, spec, u, v, time) for u in into}
                unseen = {
                    u: [p for p in seen[u] if hop == 0 and (u, group, int(graph.edges[u].row[p]), v) in hidden]
                    for u in into
                }
                takes = [wanted(spec.num_neighbors[u][hop], len(seen[u]) - len(unseen[u]), spec.replace) for u in into]
                if spec.budget is not None:
                    takes = share(key_of("budget", v, group), takes, spec.budget[hop])
                key, fan_out, take = key_of(str(t), v, group), spec.num_neighbors[t][hop], takes[into.index(t)]
                drawn = choose(graph, spec, t, key, epoch, seen[t], fan_out, take + len(unseen[t]))
                for p in [p for p in drawn if p not in unseen[t]][:take]:
                    row = add(t.src, int(graph.edges[t].row[p]), group, hop + 1)
                    edges[t].append((row, local, p))
    return nodes, edges


def assert_is_reference(subgraph, graph, spec, seeds, node_type, epoch, times=None):
    nodes, edges = sample(graph, spec, seeds, node_type, epoch, times)
    for t in graph.node_types:
        assert subgraph.nodes[t].tolist() == [n[0] for n in nodes[t]]
        assert subgraph.node_hops(t).tolist() == [n[1] for n in nodes[t]]
        assert len(subgraph.node_counts[t]) == spec.hops + 1
        if spec.disjoint:
            assert subgraph.node_group[t].tolist() == [n[2] for n in nodes[t]]
    for t in graph.edge_types:
        e = subgraph.edges[t]
        assert list(zip(e.row.tolist(), e.col().tolist(), e.pos.tolist(), strict=True)) == edges[t]
        assert len(e.colptr) == len(subgraph.nodes[t.dst]) + 1
        hops = subgraph.node_hops(t.dst)[e.col()]
        assert subgraph.edge_counts[t] == np.bincount(hops, minlength=spec.hops).tolist()
