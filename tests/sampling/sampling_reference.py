"""Neighbour sampling written once more in plain Python, from schemas/picks.md alone."""

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


def picks(key, degree, fan_out, take, replace):
    if take == degree and (not replace or fan_out < 0):
        return list(range(degree))
    if replace:
        return [draw(key, i, degree) for i in range(take)]
    return permutation(key, degree, take)


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


def sample(graph, spec, seeds, node_type, epoch):
    """Returns (nodes by type, hop of each, edges by type as (row, col, pos), group of each node by type)."""
    nodes = {t: [] for t in graph.node_types}
    index = {t: {} for t in graph.node_types}
    edges = {t: [] for t in graph.edge_types}

    def add(t, node, group, hop):
        name = (group, node) if spec.disjoint else node
        if name not in index[t]:
            index[t][name] = len(nodes[t])
            nodes[t].append((node, hop, group))
        return index[t][name]

    for i, s in enumerate(seeds):
        add(node_type, int(s), i, 0)

    def key_of(name, node, group):
        if spec.disjoint:
            return absorb(0, spec.seed, epoch, fnv(node_type), fnv(name), int(seeds[group]), node)
        return absorb(0, spec.seed, epoch, fnv(name), node)

    for hop in range(spec.hops):
        frontier = {t: [(i, *n) for i, n in enumerate(nodes[t]) if n[1] == hop] for t in graph.node_types}
        degree = lambda t, v: int(graph.edges[t].colptr[v + 1] - graph.edges[t].colptr[v])  # noqa: E731
        for t in graph.edge_types:
            for local, v, _, group in frontier[t.dst]:
                into = [u for u in graph.edge_types if u.dst == t.dst]
                takes = [wanted(spec.num_neighbors[u][hop], degree(u, v), spec.replace) for u in into]
                if spec.budget is not None:
                    takes = share(key_of("budget", v, group), takes, spec.budget[hop])
                take = takes[into.index(t)]
                start = int(graph.edges[t].colptr[v])
                for p in picks(key_of(str(t), v, group), degree(t, v), spec.num_neighbors[t][hop], take, spec.replace):
                    row = add(t.src, int(graph.edges[t].row[start + p]), group, hop + 1)
                    edges[t].append((row, local, start + p))
    return nodes, edges
